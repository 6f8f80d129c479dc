"""Waiting: for a notification, for time to pass, and longer after every failure."""

import asyncio
from datetime import UTC, datetime, timedelta

from local.emulated_aws.event_source_mapping.ports import Clock


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Notifier:
    """A notification that wakes every task that waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notified = asyncio.Event()

    def notify(self) -> None:
        self._notified.set()
        self._notified = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Return at the next notification, or after that many seconds if there was none."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._notified.wait())]
        if seconds is not None:
            waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for wait in done:
            wait.result()

    async def wait_until(self, deadline: datetime) -> None:
        """Return at the next notification, or at the deadline."""
        await self.wait(max(0.0, (deadline - self._clock.now()) / timedelta(seconds=1)))


def backoff_seconds(failures: int, *, base_seconds: float, cap_seconds: float) -> float:
    """Return how long to wait after that many failures in a row: twice as long each time, up to the cap."""
    return float(min(cap_seconds, base_seconds * 2.0 ** min(failures - 1, 64)))
