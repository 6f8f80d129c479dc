"""Batches that compete for a database's cores, second by second, by the measured service times.

Formulas do not show how long batches wait for each other. Here records arrive by chance (a Poisson process),
each lane (a shard's part) collects a batch, an environment works and waits for as long as measured, with the
measured spread; the database's cores serve one statement each, in the order in which they come, and its disk
writes one after the other.
"""

import random
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import log, sqrt

from catalog.capacity.figures import SERVER_MS_PER_STATEMENT, Figures, bytes_per_row, ebs_mb_per_second, vcpus
from catalog.capacity.plan import Load
from costs.usage import WAL_BYTES_PER_RECORD

_MOST_BATCHES = 60_000
_MOST_LANES = 20_000
# Of a normal distribution, between the median and a quartile.
_QUARTILE = 0.6745
_CHECK_SECONDS = 0.25
# Within it and the window, a batch is done where nothing has to wait.
_BATCH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """One database under a load. `keeps_up`: whether the backlog stays small.

    `p50_seconds`, `p99_seconds`: from a batch's first record to its commit. `busy`: the share of the cores.
    `drains`: whether it is up to date again after an outage.
    """

    rate: float
    instance_class: str
    p50_seconds: float
    p99_seconds: float
    busy: float
    keeps_up: bool
    drains: bool


def simulate(
    load: Load, figures: Figures, instance_class: str, *, rate: float, lanes: int, seed: int
) -> Simulated:
    """Simulate one database with its share of updates and lanes; the same seed gives the same result."""
    lanes = max(1, min(lanes, _MOST_LANES))
    usual = min(load.batch_size, max(1.0, rate / lanes * load.window_seconds))
    seconds = min(60.0, max(_MOST_BATCHES / (rate / usual), 3.0 * load.window_seconds))
    share = min(1.0, rate / load.rate)
    steady = _Run(load, figures, instance_class, rate=rate, lanes=lanes, seed=seed, share=share)
    steady.run(seconds)
    outage = seconds / 4
    after = _Run(load, figures, instance_class, rate=rate, lanes=lanes, seed=seed, share=share, begins=outage)
    caught_up = after.run(outage + 4 * seconds)
    delays = sorted(steady.delays) or [0.0]
    longest = load.window_seconds + _BATCH_SECONDS
    return Simulated(
        rate=rate,
        instance_class=instance_class,
        p50_seconds=delays[len(delays) // 2],
        p99_seconds=delays[int(len(delays) * 0.99)],
        busy=min(1.0, steady.served_seconds / (seconds * vcpus(instance_class))),
        keeps_up=delays[int(len(delays) * 0.99)] < longest,
        drains=caught_up is not None,
    )


class _Run:
    """One run; `delays`: of each batch, in seconds. `served_seconds`: how long cores worked."""

    def __init__(
        self,
        load: Load,
        figures: Figures,
        instance_class: str,
        *,
        rate: float,
        lanes: int,
        seed: int,
        share: float = 1.0,
        begins: float = 0.0,
    ) -> None:
        self._load, self._figures = load, figures
        self._chance = random.Random(f"{seed} {instance_class} {rate}")  # noqa: S311 not for secrets
        self._per_lane = rate / lanes
        self._cores = [0.0] * vcpus(instance_class)
        self._row_seconds = figures.row_us(load.products) / 1e6
        self._disk = 0.0
        written = bytes_per_row(rate, load.products * share, WAL_BYTES_PER_RECORD)
        self._disk_seconds = written / ebs_mb_per_second(instance_class) / 1e6
        self._share = min(1.0, load.memory_mb / 1769)
        low, high = figures.spread
        self._sigma = (log(high) - log(low)) / 2 / _QUARTILE
        # (when the lane is free, until when its records are done)
        spread = load.window_seconds if not begins else 0.0
        self._lanes = [(begins + self._chance.random() * spread, 0.0) for _ in range(lanes)]
        if not begins:
            self._lanes = [(free, free) for free, _ in self._lanes]
        heapify(self._lanes)
        self._begins = begins
        self.delays: list[float] = []
        self.served_seconds = 0.0

    def run(self, until: float) -> float | None:
        """Run until a time; after an outage, only until no lane is behind, and return when that was."""
        checked = self._begins
        while self._lanes[0][0] < until:
            free, done = self._lanes[0]
            if self._begins and free >= checked:
                if self._begins < free and not self._behind():
                    return free
                checked = free + _CHECK_SECONDS
            begin, records, reached = self._next_batch(free, done)
            commit = self._work(begin, records)
            self.delays.append(commit - done)
            heapreplace(self._lanes, (commit, reached))
        return None

    def _behind(self) -> bool:
        """Return whether a lane has records that wait for longer than a window and a batch."""
        allowed = self._load.window_seconds + _BATCH_SECONDS
        return any(free - done > allowed for free, done in self._lanes)

    def _next_batch(self, free: float, done: float) -> tuple[float, int, float]:
        """Return when a lane's next batch begins, its records, and until when records are then done."""
        size, rate = self._load.batch_size, self._per_lane
        waiting = self._arrivals(rate * (free - done))
        if waiting >= size:
            return free, size, done + (free - done) * size / waiting
        full = free + self._chance.gammavariate(size - waiting, 1) / rate
        window = max(free, done + self._load.window_seconds)
        begin = min(full, window)
        records = size if full <= window else max(1, waiting + self._arrivals(rate * (begin - free)))
        return begin, min(size, records), begin

    def _arrivals(self, expected: float) -> int:
        if expected <= 0:
            return 0
        # A Poisson number; for many, as good as a normal one.
        return max(0, round(self._chance.gauss(expected, sqrt(expected))))

    def _work(self, begin: float, records: int) -> float:
        """Return when a batch's commit is done: its own work and waits, then a core of the database."""
        own_ms = self._figures.batch_cpu_ms(records) / self._share + self._figures.batch_wait_ms(records)
        service = records * self._row_seconds + SERVER_MS_PER_STATEMENT / 1000
        # The waits were measured with an idle database, whose work is in them.
        own = max(0.0, own_ms / 1000 - service) * self._chance.lognormvariate(0.0, self._sigma)
        core = heappop(self._cores)
        ends = max(core, begin + own) + service
        heappush(self._cores, ends)
        # One disk for all; what it takes at once is in the measured wait.
        self._disk = max(self._disk, ends - service) + records * self._disk_seconds
        self.served_seconds += service
        return max(ends, self._disk)
