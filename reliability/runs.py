"""Many histories in a few processes: figures, and each failure made as small as it still fails."""

import gc
import hashlib
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from typing import Protocol, cast

from reliability.checker import Violation
from reliability.history import History, smaller
from reliability.pipeline import Outcome

SIMULATED, REAL = "reliability.simulated.pipeline", "reliability.real.pipeline"
# A history takes milliseconds in the simulated world, and seconds in the real one.
_PER_TASK = {SIMULATED: 20, REAL: 1}
_SHRINK_SECONDS = {SIMULATED: 60.0, REAL: 300.0}
_LINES_BEFORE, _LINES_AFTER = 60, 3


class World(Protocol):
    """The module of a world."""

    def prepare(self) -> None:
        """Make this process ready for histories."""

    def draw(self, seed: int) -> History:
        """Draw a history of what may happen in this world."""

    def run(self, history: History) -> Outcome:
        """Run a history."""


@dataclass(slots=True)
class Failure:
    """A history that broke an invariant, made smaller, and the trace around the first violation."""

    seed: int
    violations: list[Violation]
    history: History
    trace: list[str]


@dataclass(slots=True)
class Figures:
    """Counts of histories that were run."""

    histories: int = 0
    records: int = 0
    violations: int = 0
    longest_recovery_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    traces: dict[int, str] = field(default_factory=dict)

    @property
    def trace_hash(self) -> str:
        """A hash of all that happened; the same seeds give the same."""
        return hashlib.blake2b(repr(sorted(self.traces.items())).encode(), digest_size=8).hexdigest()

    def add(self, other: "Figures") -> None:
        """Add another's."""
        self.histories += other.histories
        self.records += other.records
        self.violations += other.violations
        self.longest_recovery_seconds = max(self.longest_recovery_seconds, other.longest_recovery_seconds)
        self.faults += other.faults
        self.failures += other.failures
        self.traces |= other.traces


def run_all(seed: int, histories: int, jobs: int, world: str = SIMULATED) -> Iterator[Figures]:
    """Run so many histories, from this seed on; yield all figures so far, now and then."""
    figures = Figures()
    size = _PER_TASK[world]
    parts = (
        list(range(start, min(start + size, seed + histories)))
        for start in range(seed, seed + histories, size)
    )
    # Not forked: a process that ran histories before has other addresses, which must not matter, but may.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=prepare_process, initargs=(world,)
    ) as pool:
        waiting: set[Future[Figures]] = set()
        for part in parts:
            waiting.add(pool.submit(run_some, part, world))
            if len(waiting) >= 2 * jobs:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    figures.add(one.result())
                yield figures
        for one in waiting:
            figures.add(one.result())
            yield figures


def prepare_process(world: str = SIMULATED) -> None:
    """Make this process ready for histories: no output, and no environment variables of its own."""
    sys.stdout = io.StringIO()
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO", "PG"))]:
        del os.environ[name]
    module_of(world).prepare()
    # As in the function's own process: what was imported is not searched for garbage after each failure.
    gc.freeze()


def run_some(seeds: Sequence[int], world: str = SIMULATED) -> Figures:
    """Run the histories of these seeds in this process."""
    figures = Figures()
    module = module_of(world)
    for seed in seeds:
        history = module.draw(seed)
        outcome = module.run(history)
        figures.histories += 1
        figures.records += outcome.records
        figures.violations += bool(outcome.violations)
        figures.longest_recovery_seconds = max(figures.longest_recovery_seconds, outcome.recovery_seconds)
        figures.faults.update(outcome.faults)
        figures.traces[seed] = outcome.trace_hash
        if outcome.violations:
            figures.failures.append(_shrunk(history, outcome, module.run, _SHRINK_SECONDS[world]))
    gc.collect()
    return figures


def module_of(world: str) -> World:
    """Return the module of a world."""
    return cast(World, import_module(world))


def _shrunk(history: History, outcome: Outcome, run: Callable[[History], Outcome], seconds: float) -> Failure:
    """Return the smallest history found that breaks the same invariants."""
    broken = {violation.invariant for violation in outcome.violations}
    deadline = time.perf_counter() + seconds
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in smaller(history):
            if time.perf_counter() >= deadline:
                break
            tried = run(candidate)
            if broken & {violation.invariant for violation in tried.violations}:
                history, outcome, is_smaller = candidate, tried, True
                break
    first = min(violation.at for violation in outcome.violations)
    before = sum(at <= first for at, _ in outcome.trace)
    around = outcome.trace[max(0, before - _LINES_BEFORE) : before + _LINES_AFTER]
    return Failure(history.seed, outcome.violations, history, [f"{at:11.6f} {text}" for at, text in around])
