"""Interleaved runs and their ratios: what is compared runs the same batch in the same round.

The machine may be slower in one minute than in the next, so no time is compared with one of another round.
The order of the engines changes from round to round. A ratio is the median of the rounds' ratios, with their
quartiles.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.feeds import Feed
from benchmarks.worker import Run, Worker

# What other engines leave undone is counted, and reported.
_DOES_ALL = ("ours", "bulk", "bulk_defaults")


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The median of the rounds' ratios, their lower and upper quartile, and how many rounds there were."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Runs of several engines: `runs[engine][i]` is of round i; some engines run in fewer rounds."""

    size: int
    runs: Mapping[str, Sequence[Run]]

    def ratio(self, above: str, below: str, of: Callable[[Run], float]) -> Ratio:
        """Return a quantity of one engine over that of another."""
        pairs = zip(self.runs[above], self.runs[below], strict=False)
        return ratio_of([of(one) / of(other) for one, other in pairs])

    def failed(self, engine: str) -> int:
        """Return how many records of the engine's batches are not durable."""
        return sum(run.records - run.done for run in self.runs[engine])


class NotDurableError(Exception):
    """An engine left records undone, so its time says nothing."""


def wall(run: Run) -> float:
    """Return a run's time."""
    return run.wall_seconds


def cpu(run: Run) -> float:
    """Return the CPU time that the engine's own process took."""
    return run.cpu_seconds


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """Return the median of the ratios of one round or more."""
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
    return Ratio(median=median(ratios), low=low, high=high, rounds=len(ratios))


def in_turns(
    workers: Mapping[str, Worker],
    feed: Feed,
    *,
    first: int,
    size: int,
    rounds: Mapping[str, int],
    warm_up: bool = True,
) -> Rounds:
    """Run the batches from position `first` on, each by every engine, after one that does not count.

    `rounds`: how many of them each engine runs; one that has none is left out.
    """
    names = [name for name in workers if rounds.get(name, 0)]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(-1 if warm_up else 0, max(rounds[name] for name in names)):
        position = first + (number + warm_up) * size
        for name in order(names, number):
            # A second of the slow ones is enough to warm up.
            if number < rounds[name] and (number >= 0 or rounds[name] > 2):
                (run,) = workers[name].run(feed, [(position, size)])
                if name in _DOES_ALL and run.done != run.records:
                    raise NotDurableError(f"{name}: {run.done} of {run.records} records were done")
                if number >= 0:
                    runs[name].append(run)
    return Rounds(size=size, runs=runs)


def order(names: Sequence[str], number: int) -> list[str]:
    """Return the engines in the order of a round: another one begins each time, in both directions."""
    start = (number // 2) % len(names)
    turned = [*names[start:], *names[:start]]
    return turned[::-1] if number % 2 else turned


def load() -> float:
    """Return the machine's load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
