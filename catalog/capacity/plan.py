"""The size of every part for a load, each with its formula in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from catalog.capacity.figures import (
    BUSY_DISK,
    CACHE_GIB,
    CACHED_BYTES,
    ROW_BYTES,
    SERVER_MS_PER_STATEMENT,
    Figures,
    busy_share,
    bytes_per_row,
    ebs_mb_per_second,
    vcpus,
)
from catalog.errors import UsageError
from costs.archive import archive_bytes
from costs.capacity import RECORDS_PER_SHARD
from costs.load import RECORD_BYTES, records_in_batch
from costs.load import Load as DailyLoad
from costs.prices import Prices
from costs.usage import WAL_BYTES_PER_RECORD
from stacks.config.instance_classes import MAX_CONNECTIONS

SHARD_RESERVE = 1.25
"""Products are not spread evenly over shards, and a shard that is full refuses."""
_SHARD_BYTES = 1_000_000
_VCPU_MB = 1769
_DAYS = 1095
_GIB = 1024**3
_SECONDS_PER_DAY = 86_400
# As the settings of the stacks: the processor may have four fifths, and frozen environments keep theirs.
_SHARE_OF_CONNECTIONS = 0.8
_FROZEN = 2
_OTHER_ENVIRONMENTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What is planned for. `rate`: updates a second at the busiest time; `average`: over a day."""

    rate: int
    average: float
    products: int
    batch_size: int
    window_seconds: int
    parallelization: int
    memory_mb: int
    pool_size: int
    outage_seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One result: `value` as a number, `shown` for people, and the formula with its figures."""

    name: str
    value: float | str
    shown: str
    formula: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """What one database of a class takes. `rows`: a second, always; `most`: for an hour, with all it has.

    `limit`: what ends it.
    """

    instance_class: str
    rows: float
    most: float
    limit: str


class Plan:
    """The size of every part; `databases`: how many are needed, by product, and of which class."""

    def __init__(self, load: Load, figures: Figures, prices: Prices) -> None:
        self.load, self.figures = load, figures
        by_records = load.rate / RECORDS_PER_SHARD
        by_bytes = load.rate * RECORD_BYTES / _SHARD_BYTES
        self.shards = max(1, ceil(max(by_records, by_bytes) * SHARD_RESERVE))
        self.lanes = self.shards * load.parallelization
        self.batch = records_in_batch(load.rate / self.lanes, load.batch_size, load.window_seconds)
        self.batch_ms = self.milliseconds_of(self.batch)
        of_a_day = DailyLoad(records_per_day=round(load.average * _SECONDS_PER_DAY))
        self.daily = list(of_a_day.batches_of(self.lanes, load.batch_size, load.window_seconds))
        self.concurrency = max(1, ceil(load.rate / self.batch * self.batch_ms / 1000))
        self.reserved = self.lanes + _OTHER_ENVIRONMENTS
        self.connections = _FROZEN * self.reserved * load.pool_size
        if self.concurrency > self.lanes:
            raise UsageError(
                f"{self.concurrency:,} batches at the same time are needed, and {self.shards:,} shards with "
                f"a parallelization of {load.parallelization} allow {self.lanes:,}: accepted: a larger "
                "--parallelization (at most 10), --batch-size or --window"
            )
        self.classes = [self._database(name) for name in MAX_CONNECTIONS]
        self.databases, self.database = self._choose(prices)
        self.cache = self._cache(prices)

    def milliseconds_of(self, records: float) -> float:
        """Return how long a batch of so many records takes."""
        cpu_ms = self.figures.batch_cpu_ms(records) / min(1.0, self.load.memory_mb / _VCPU_MB)
        return self.figures.batch_wait_ms(records) + cpu_ms

    def _database(self, instance_class: str) -> Database:
        """Return what a class takes: the least of its cores and its disk."""
        cores = vcpus(instance_class) * 1e6 / self.row_us
        by_disk = self._by_disk(instance_class)
        rows, limit = min((cores * busy_share(instance_class), "cores"), (by_disk * BUSY_DISK, "disk"))
        return Database(instance_class=instance_class, rows=rows, most=min(cores, by_disk), limit=limit)

    def _by_disk(self, instance_class: str) -> float:
        return ebs_mb_per_second(instance_class) * 1e6 / self.bytes_per_row

    @property
    def row_us(self) -> float:
        """PostgreSQL's CPU time for a row: its own, and its share of the statement."""
        return self.figures.row_us(self.load.products) + SERVER_MS_PER_STATEMENT * 1000 / self.batch

    @property
    def bytes_per_row(self) -> float:
        """What is written for a row."""
        return bytes_per_row(self.load.rate, self.load.products, WAL_BYTES_PER_RECORD)

    def _choose(self, prices: Prices) -> tuple[int, Database]:
        """Return the cheapest way: the fewest databases, then the cheapest class that will do."""
        needed = []
        for each in self.classes:
            connections = MAX_CONNECTIONS[each.instance_class] * _SHARE_OF_CONNECTIONS
            # Each database has its share of the stream, and with it of the connections.
            count = max(ceil(self.load.rate / each.rows), ceil(self.connections / connections))
            dollars = prices.hour_of("rds", each.instance_class).dollars or 0.0
            needed.append((count, dollars, each))
        count, _, chosen = min(needed, key=lambda each: each[:2])
        return count, chosen

    def _cache(self, prices: Prices) -> tuple[int, str]:
        """Return how many caches, and the cheapest node type that holds its share of the products."""
        gib = self.load.products / self.databases * CACHED_BYTES / _GIB
        fitting = [name for name, size in CACHE_GIB.items() if size * 0.75 >= gib]
        cheapest = min(
            fitting or [max(CACHE_GIB, key=lambda name: CACHE_GIB[name])],
            key=lambda name: prices.hour_of("elasticache", name).dollars or 0.0,
        )
        return self.databases, cheapest

    @property
    def drain_rate(self) -> float:
        """Records a second from a backlog: full batches in every lane, or what the databases take."""
        size = self.load.batch_size
        by_function = self.lanes * size * 1000 / self.milliseconds_of(size)
        return min(by_function, self.databases * self.database.most)

    @property
    def drain_seconds(self) -> float | None:
        """How long it takes to be up to date again after an outage; None: never."""
        spare = self.drain_rate - self.load.rate
        return self.load.rate * self.load.outage_seconds / spare if spare > 0 else None

    @property
    def table_bytes(self) -> int:
        """The table's size, all databases together."""
        return self.load.products * ROW_BYTES

    def steps(self) -> Iterator[Step]:
        """Yield every result with its formula."""
        load, database = self.load, self.database
        yield Step(
            name="shards",
            value=self.shards,
            shown=f"{self.shards:,}",
            formula=f"{load.rate:,} updates/s ÷ {RECORDS_PER_SHARD:,} a shard × {SHARD_RESERVE} reserve "
            f"({RECORD_BYTES} bytes each: 1 MB/s a shard is farther)",
        )
        yield Step(
            name="records in a batch",
            value=self.batch,
            shown=f"{self.batch:,.0f}",
            formula=f"least of batch size {load.batch_size:,} and 1 + {load.window_seconds} s × "
            f"{load.rate:,} ÷ ({self.shards:,} shards × {load.parallelization})",
        )
        yield Step(
            name="time of a batch",
            value=self.batch_ms / 1000,
            shown=f"{self.batch_ms:,.0f} ms",
            formula=f"waits {self.figures.batch_wait_ms(self.batch):,.0f} ms + "
            f"CPU {self.figures.batch_cpu_ms(self.batch):,.1f} ms ÷ "
            f"{min(1.0, load.memory_mb / _VCPU_MB):.2f} of a core ({load.memory_mb} of {_VCPU_MB} MB)",
        )
        yield Step(
            name="batches at the same time",
            value=self.concurrency,
            shown=f"{self.concurrency:,} of {self.lanes:,}",
            formula=f"{load.rate:,} ÷ {self.batch:,.0f} × {self.batch_ms / 1000:.3f} s; at most "
            f"{self.shards:,} shards × {load.parallelization}",
        )
        yield Step(
            name="reserved concurrency",
            value=self.reserved,
            shown=f"{self.reserved:,}",
            formula=f"{self.lanes:,} + {_OTHER_ENVIRONMENTS} (drain, redrive); an account has 1,000 at first",
        )
        yield Step(
            name="database connections",
            value=self.connections,
            shown=f"{self.connections:,}",
            formula=f"{_FROZEN} (frozen ones keep theirs) × {self.reserved:,} × {load.pool_size} each",
        )
        yield from self._stores(database)
        yield from self._storage()
        drain = self.drain_seconds
        yield Step(
            name=f"up to date after {load.outage_seconds / 3600:g} h of outage",
            value=drain if drain is not None else "never",
            shown="never" if drain is None else _duration(drain),
            formula=f"{load.rate:,} × {load.outage_seconds:,} s ÷ ({self.drain_rate:,.0f} drained − "
            f"{load.rate:,}); drained: the least of full batches in every lane, and of all cores and all of "
            "the disk of the databases, for so long (a share of them takes rows for ever)",
        )

    def _stores(self, database: Database) -> Iterator[Step]:
        name = database.instance_class
        yield Step(
            name="rows a second of one database",
            value=database.rows,
            shown=f"{database.rows:,.0f} by its {database.limit}",
            formula=f"{name}: least of {busy_share(name):.0%} of {vcpus(name)} cores ÷ {self.row_us:.1f} µs "
            f"a row, and {BUSY_DISK:.0%} of {ebs_mb_per_second(name):,.0f} MB/s ÷ {self.bytes_per_row:,.0f} "
            "bytes a row (WAL, and pages between checkpoints)",
        )
        yield Step(
            name="databases",
            value=self.databases,
            shown=f"{self.databases:,} × {database.instance_class}",
            formula="the fewest that take the rows and the connections "
            f"({MAX_CONNECTIONS[database.instance_class]:,} × {_SHARE_OF_CONNECTIONS}), then the cheapest",
        )
        count, node = self.cache
        gib = self.load.products / count * CACHED_BYTES / _GIB
        yield Step(
            name="caches",
            value=count,
            shown=f"{count:,} × {node}",
            formula=f"{self.load.products:,} products ÷ {count:,} × {CACHED_BYTES} bytes = {gib:,.1f} GiB, "
            f"if all are read within 300 s, of 75% of {CACHE_GIB[node]:g} GiB",
        )

    def _storage(self) -> Iterator[Step]:
        load = self.load
        table = self.table_bytes / _GIB
        yield Step(
            name="table",
            value=table,
            shown=f"{table:,.1f} GiB",
            formula=f"{load.products:,} products × {ROW_BYTES} bytes; it does not grow with updates",
        )
        wal = load.average * _SECONDS_PER_DAY * WAL_BYTES_PER_RECORD / _GIB
        yield Step(
            name="WAL a day",
            value=wal,
            shown=f"{wal:,.0f} GiB",
            formula=f"{load.average:,.0f} updates/s on average × 86,400 × {WAL_BYTES_PER_RECORD} bytes",
        )
        batches = sum(each.per_day for each in self.daily)
        records = sum(each.per_day * each.records for each in self.daily)
        yield Step(
            name="batches a day",
            value=batches,
            shown=f"{batches:,.0f}",
            formula=f"{load.average:,.0f} updates/s on average, spread over the hours as in the shipped "
            f"week: {records / batches:,.0f} in a batch by the formula above",
        )
        archived = sum(each.per_day * archive_bytes(each.records) for each in self.daily)
        archive = archived * _DAYS / _GIB
        yield Step(
            name="archive after three years",
            value=archive,
            shown=f"{archive:,.0f} GiB",
            formula=f"{load.average:,.0f}/s × 86,400 × {_DAYS:,} days × "
            f"{archived / records:,.1f} bytes a record, compressed; measured",
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
