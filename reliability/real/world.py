"""Time, chance and the trace of a run on real servers."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


class RealWorld:
    """See `worlds.World`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.trace: list[tuple[float, str]] = []
        self._began = time.monotonic()

    def begin(self) -> None:
        """Count time from now on."""
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def date(self) -> datetime:
        return datetime.now(UTC)

    def after(self, seconds: float, do: Callable[..., object], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, do, *arguments)

    def note(self, text: str) -> None:
        self.trace.append((self.now, text))
