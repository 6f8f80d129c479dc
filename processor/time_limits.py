"""Time limits for the cache that do not count time in which this process itself was busy or paused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_SECONDS = 0.01
# A tick later than this was delayed by the process itself, and does not count.
_LATE_SECONDS = TICK_SECONDS / 5
# The longest wait, however busy the process is.
MOST_SECONDS = 1.0


class TimeBudget:
    """The time that a reader still waits for the cache, over any number of commands."""

    def __init__(self, seconds: float) -> None:
        self.ticks = round(seconds / TICK_SECONDS)
        self.deadline = asyncio.get_running_loop().time() + MOST_SECONDS


class TimeLimits:
    """Ends waits whose time is used up, with one timer for all of them."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, TimeBudget] = {}
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def within(self, budget: TimeBudget) -> AsyncIterator[None]:
        """Limit the block like `asyncio.timeout`. Raises: TimeoutError."""
        if budget.ticks <= 0:
            raise TimeoutError
        limit = asyncio.timeout_at(budget.deadline)
        self._waiting[limit] = budget
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
        loop = asyncio.get_running_loop()
        due = loop.time() + TICK_SECONDS
        self._timer = loop.call_at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - due < _LATE_SECONDS:
            for limit, budget in self._waiting.items():
                budget.ticks -= 1
                if budget.ticks == 0:
                    limit.reschedule(loop.time())
        self._wait_for_tick()
