"""Many histories in a few processes: figures, and each failure made as small as it still fails."""

import gc
import hashlib
import io
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context

from reliability.checker import Violation
from reliability.history import History, draw, smaller

_PER_TASK = 20
_SHRINK_SECONDS = 60.0
_LINES_BEFORE, _LINES_AFTER = 60, 3


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


def run_all(seed: int, histories: int, jobs: int) -> Iterator[Figures]:
    """Run so many histories, from this seed on; yield all figures so far, now and then."""
    figures = Figures()
    parts = (
        list(range(start, min(start + _PER_TASK, seed + histories)))
        for start in range(seed, seed + histories, _PER_TASK)
    )
    # Not forked: a process that ran histories before has other addresses, which must not matter, but may.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=prepare_process) as pool:
        waiting: set[Future[Figures]] = set()
        for part in parts:
            waiting.add(pool.submit(run_some, part))
            if len(waiting) >= 2 * jobs:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    figures.add(one.result())
                yield figures
        for one in waiting:
            figures.add(one.result())
            yield figures


def prepare_process() -> None:
    """Make this process ready for histories: no output, no environment variables of its own, no garbage."""
    from reliability.simulated.pipeline import VARIABLES

    sys.stdout = io.StringIO()
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO", "PG"))]:
        del os.environ[name]
    os.environ.update(VARIABLES, HOME="/nonexistent")
    # Processes that are killed leave coroutines and connections behind, which complain when they are freed.
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    gc.disable()


def run_some(seeds: Sequence[int]) -> Figures:
    """Run the histories of these seeds in this process."""
    from reliability.simulated.pipeline import run

    figures = Figures()
    for seed in seeds:
        history = draw(seed)
        outcome = run(history)
        figures.histories += 1
        figures.records += outcome.records
        figures.violations += bool(outcome.violations)
        figures.longest_recovery_seconds = max(figures.longest_recovery_seconds, outcome.recovery_seconds)
        figures.faults.update(outcome.faults)
        figures.traces[seed] = outcome.trace_hash
        if outcome.violations:
            figures.failures.append(_shrunk(history))
    gc.collect()
    return figures


def _shrunk(history: History) -> Failure:
    """Return the smallest history found that breaks the same invariants."""
    from reliability.simulated.pipeline import run

    outcome = run(history)
    broken = {violation.invariant for violation in outcome.violations}
    deadline = time.perf_counter() + _SHRINK_SECONDS
    is_smaller = True
    while is_smaller and time.perf_counter() < deadline:
        is_smaller = False
        for candidate in smaller(history):
            tried = run(candidate)
            if broken & {violation.invariant for violation in tried.violations}:
                history, outcome, is_smaller = candidate, tried, True
                break
    first = min(violation.at for violation in outcome.violations)
    before = sum(at <= first for at, _ in outcome.trace)
    around = outcome.trace[max(0, before - _LINES_BEFORE) : before + _LINES_AFTER]
    return Failure(history.seed, outcome.violations, history, [f"{at:11.6f} {text}" for at, text in around])
