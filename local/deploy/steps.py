"""Report a run step by step: each step's progress, time and result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

_NAME_COLUMNS = 22


class Step:
    """A step in progress; its line ends with what `report` was given last."""

    def __init__(self, name: str, status: Status) -> None:
        self._name = name
        self._status = status
        self._began = time.monotonic()
        self.result = ""

    def report(self, result: str) -> None:
        """Set what the step's line says about its result."""
        self.result = result

    def progress(self, done: int, planned: int | None) -> None:
        """Show how many resources are done; only a terminal shows it."""
        self._status.update(f"{self._name}: {done} of {'…' if planned is None else planned} resources")

    @property
    def seconds(self) -> float:
        """The step's duration until now."""
        return time.monotonic() - self._began


class StepReporter:
    """The steps of a run: prints a line for each finished step and keeps its duration."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.name = "start"
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Report the block as one step. A terminal shows a spinner meanwhile."""
        self.name = name
        status = self._console.status(f"{name} …")
        step = Step(name, status)
        if self._console.is_terminal:
            status.start()
        try:
            yield step
        finally:
            status.stop()
        self.seconds[name] = step.seconds
        self._console.print(
            f"{self.total_seconds:6.0f} s  {name:{_NAME_COLUMNS}} {step.seconds:6.1f} s  {step.result}",
            markup=False,
            soft_wrap=True,
        )

    @property
    def total_seconds(self) -> float:
        """The time since the first step began."""
        return time.monotonic() - self._began
