"""How long the cache is waited for: time in which this process was busy or paused says nothing of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_SECONDS = 0.01
# A tick that comes later than this was held up by the process itself, and does not count.
_LATE_SECONDS = TICK_SECONDS / 5
# However busy the process is, nobody waits for longer.
MOST_SECONDS = 1.0


class Patience:
    """What is left of the time that somebody waits for the cache, over any number of its commands."""

    def __init__(self, seconds: float) -> None:
        self.ticks = round(seconds / TICK_SECONDS)
        self.deadline = asyncio.get_running_loop().time() + MOST_SECONDS


class Limits:
    """Ends what outlasts its patience; one timer for all that wait at once."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, Patience] = {}
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def within(self, patience: Patience) -> AsyncIterator[None]:
        """As `asyncio.timeout`. Raises: TimeoutError."""
        if patience.ticks <= 0:
            raise TimeoutError
        limit = asyncio.timeout_at(patience.deadline)
        self._waiting[limit] = patience
        if self._timer is None:
            self._wait_for_tick()
        try:
            async with limit:
                yield
        finally:
            del self._waiting[limit]
            if not self._waiting and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _wait_for_tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._timer is not None  # noqa: S101 it has just called
        if loop.time() - self._timer.when() < _LATE_SECONDS:
            for limit, patience in self._waiting.items():
                patience.ticks -= 1
                if patience.ticks == 0:
                    limit.reschedule(loop.time())
        self._wait_for_tick()
