"""What was measured, from `benchmarks/results.json`, and what AWS says of its classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any

from catalog.errors import CatalogError

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.json"

SERVER_US_PER_ROW = 4.7
"""CPU time of PostgreSQL for a changed row, in batches of 10,000, by docs/performance.md, "Ideas tried"; the
results have only the client's."""
SERVER_MS_PER_STATEMENT = 0.5
"""CPU time of PostgreSQL for a statement and its commit beside the rows: an assumption, on the high side."""
ROW_BYTES = 400
"""A row of `products` with its index entry, an estimate: a version has 130 bytes, the fillfactor is 70."""
CACHED_BYTES = 350
"""A cached product: key, value of 150 bytes, and Valkey's own bookkeeping, an estimate."""
PAGE_BYTES = 8192
CHECKPOINT_SECONDS = 300
"""PostgreSQL's default `checkpoint_timeout`: how often a changed page is written, whole to the WAL too."""

VCPUS: Mapping[str, int] = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8}
BUSY_SHARE = 0.6
"""How busy cores may be: beyond, waiting grows fast, and vacuum and the shop need some."""
BUSY_DISK = 0.8
"""How much of its bandwidth a disk may be asked for all the time."""
CPU_CREDITS: Mapping[str, float] = {
    "db.t4g.micro": 0.1,
    "db.t4g.small": 0.2,
    "db.t4g.medium": 0.2,
    "db.t4g.large": 0.3,
}
"""The share of its cores that a burstable class has for ever:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html."""
EBS_MB_PER_SECOND: Mapping[str, float] = {
    "t4g.micro": 10.9,
    "t4g.small": 21.7,
    "t4g.medium": 43.4,
    "t4g.large": 86.9,
    "7g.large": 78.8,
    "7g.xlarge": 156.3,
    "7g.2xlarge": 312.5,
}
"""What a class may write without bursts, from memory of
https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html; m7g and r7g have the same."""
CACHE_GIB: Mapping[str, float] = {
    "cache.t4g.micro": 0.5,
    "cache.t4g.small": 1.37,
    "cache.t4g.medium": 3.09,
    "cache.m7g.large": 6.38,
    "cache.m7g.xlarge": 12.93,
    "cache.r7g.large": 13.07,
    "cache.m7g.2xlarge": 26.04,
    "cache.r7g.xlarge": 26.32,
    "cache.r7g.2xlarge": 52.82,
}
"""`maxmemory` of a node, from https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ParameterGroups.Engine.html."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The measurements. Of a batch by its size: `cpu_ms` of the function, and `wait_ms` for others.

    `spread`: of a batch's time, the quartiles over the median. `by_rows`: by rows in the table, the time over
    that of the smallest. `measured_on`: the day.
    """

    cpu_ms: Mapping[int, float]
    wait_ms: Mapping[int, float]
    spread: tuple[float, float]
    by_rows: Mapping[int, float]
    measured_on: str

    def batch_cpu_ms(self, records: float) -> float:
        """Return the function's CPU time for a batch, on a line between measured sizes."""
        return _between(self.cpu_ms, records)

    def batch_wait_ms(self, records: float) -> float:
        """Return for how long a batch waits for database, S3 and cache in a region, when all are idle."""
        return _between(self.wait_ms, records)

    def growth(self, rows: float) -> float:
        """Return the factor for a table of so many rows: as much more per tenfold as between the last two."""
        (less, before), (most, last) = sorted(self.by_rows.items())[-2:]
        if rows <= most:
            return _between(self.by_rows, rows)
        return last + (last - before) / log(most / less) * log(rows / most)

    def row_us(self, rows: float) -> float:
        """Return PostgreSQL's CPU time for a changed row in a table of so many rows."""
        return SERVER_US_PER_ROW * self.growth(rows)


@lru_cache(maxsize=1)
def read_figures(path: Path = RESULTS) -> Figures:
    """Return the measurements. Raises: CatalogError if they are not there."""
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        batches = [
            row
            for row in results["peers"]
            if (row["engine"], row["mode"], row["feed"]) == ("ours", "region", "week")
        ]
        spread = next(row for row in batches if row["size"] == 1_000)["time_over_bulk"]
        return Figures(
            cpu_ms={row["size"]: row["cpu_ms"] for row in batches},
            wait_ms={row["size"]: row["wall_ms"] - row["cpu_ms"] for row in batches},
            spread=(spread["low"] / spread["median"], spread["high"] / spread["median"]),
            by_rows={row["rows"]: row["over_least"]["median"] for row in results["tables"]},
            measured_on=results["date"],
        )
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise CatalogError(f"{path} has no complete measurements ({error!r}): run `make bench`") from error


def bytes_per_row(rate: float, products: float, wal_bytes: float) -> float:
    """Return what is written for a row: WAL, and each page changed between checkpoints, to WAL and table."""
    pages = products * ROW_BYTES / PAGE_BYTES
    changed = min(pages, rate * CHECKPOINT_SECONDS)
    return wal_bytes + 2 * PAGE_BYTES * changed / CHECKPOINT_SECONDS / rate


def busy_share(instance_class: str) -> float:
    """Return how busy a class's cores may be all the time."""
    return min(BUSY_SHARE, CPU_CREDITS.get(instance_class, 1.0))


def vcpus(instance_class: str) -> int:
    """Return a class's cores."""
    return VCPUS[instance_class.rpartition(".")[2]]


def ebs_mb_per_second(instance_class: str) -> float:
    """Return how much a class may write a second."""
    _, family, size = instance_class.split(".")
    return EBS_MB_PER_SECOND[f"{family if family.startswith('t') else family[1:]}.{size}"]


def _between(measured: Mapping[int, float], size: float) -> float:
    """Return the value on the lines between the measured points; outside, on the line of the nearest two."""
    points = sorted(measured.items())
    position = next((n for n, (at, _) in enumerate(points[1:-1], 1) if size <= at), len(points) - 1)
    (low, below), (high, above) = points[position - 1 : position + 1]
    return max(0.0, below + (above - below) * (size - low) / (high - low))
