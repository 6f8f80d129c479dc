"""An event loop on which waiting takes no time: it advances the simulated time instead."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Instant(selectors.DefaultSelector):
    """A selector that advances the time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits forever")
        self.seconds += max(0.0, timeout)
        return super().select(0)


class _SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.seconds

    def hold_up(self, seconds: float) -> None:
        self._instant.seconds += seconds


def hold_up(seconds: float) -> None:
    """Block the running loop for so many simulated seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _SimulatedLoop)
    loop.hold_up(seconds)


def simulate(scenario: Coroutine[Any, Any, T]) -> T:
    """Return the scenario's result; its hours take no time, and every run is the same."""
    with asyncio.Runner(loop_factory=_SimulatedLoop) as runner:
        return runner.run(scenario)
