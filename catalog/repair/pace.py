"""How fast something is sent."""

import asyncio
from contextlib import suppress


class Pace:
    """Lets no more than `per_second` records begin in a second, on average; None: without a limit."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._next = 0.0

    async def wait(self, records: int, stop: asyncio.Event) -> bool:
        """Return when it is the turn of these records: True, or False if `stop` was set before."""
        if self._per_second is None:
            return not stop.is_set()
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next)
        self._next = begin + records / self._per_second
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), begin - now)
        return not stop.is_set()
