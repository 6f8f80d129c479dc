"""Simulated time: one queue of events for all processes, servers and faults of a world."""

import hashlib
import heapq
import itertools
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
_BEGINNING_NS = int(BEGINNING.timestamp()) * 1_000_000_000


class StuckError(Exception):
    """Nothing more will happen, or too much did."""


class World:
    """A queue of events in simulated time, and all that is random.

    `now`: seconds since the beginning. `steps`: turns of event loops and messages delivered so far; faults
    are timed by them, because most seconds are idle. `trace`: what happened, as (time, text).
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.steps = 0
        self.trace: list[tuple[float, str]] = []
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = itertools.count()
        self._at_step: list[tuple[int, int, Callable[[], object]]] = []

    def at(self, when: float, do: Callable[..., object], *arguments: Any) -> None:
        """Call `do` at that time, or now if it is past."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), do, arguments))

    def after(self, seconds: float, do: Callable[..., object], *arguments: Any) -> None:
        """Call `do` after so many seconds."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), do, arguments))

    def at_step(self, step: int, do: Callable[[], object]) -> None:
        """Call `do` when so many steps are done."""
        heapq.heappush(self._at_step, (step, next(self._numbers), do))

    def step(self) -> None:
        """Count a step."""
        self.steps += 1
        while self._at_step and self._at_step[0][0] <= self.steps:
            self.after(0.0, heapq.heappop(self._at_step)[2])

    def run(self, until: Callable[[], bool], *, deadline: float) -> bool:
        """Let time pass until the condition holds; return False if it does not hold at the deadline."""
        events = self._events
        while not until():
            if not events:
                raise StuckError("everything waits forever")
            when, _, do, arguments = heapq.heappop(events)
            if when > deadline:
                self.at(when, do, *arguments)
                self.now = deadline
                return until()
            self.now = when
            do(*arguments)
        return True

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append((self.now, text))

    def trace_hash(self) -> str:
        """Return a hash of all that happened."""
        return hashlib.blake2b(repr(self.trace).encode(), digest_size=8).hexdigest()

    def date(self) -> datetime:
        """Return the date and time, in UTC."""
        return BEGINNING + timedelta(seconds=self.now)

    @property
    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return (_BEGINNING_NS + int(self.now * 1e9)) // 1_000_000


@contextmanager
def machine_of(world: World) -> Iterator[None]:
    """Give this process the world's clock and chance: those of the standard library, for all libraries.

    asyncpg and redis-py read the time themselves, as the processor's clock does, so a port would not do.
    """
    names = ("monotonic", "time", "time_ns")
    real = {name: getattr(time, name) for name in names}
    real_hex = secrets.token_hex
    vars(time).update(
        monotonic=lambda: world.now,
        time=lambda: _BEGINNING_NS / 1e9 + world.now,
        time_ns=lambda: _BEGINNING_NS + int(world.now * 1e9),
    )
    vars(secrets)["token_hex"] = lambda size=32: f"{world.random.getrandbits(8 * size):0{2 * size}x}"
    try:
        yield
    finally:
        vars(time).update(real)
        vars(secrets)["token_hex"] = real_hex
