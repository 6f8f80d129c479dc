"""How the archive is divided into objects, by day, and what small objects cost more than large ones.

Only the list of the objects is read. Prices are those of costs/prices.toml, and one beside the code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from catalog.archive.verify import Scope
from catalog.connections import Connections
from catalog.objects import list_keys, parse_key
from costs.prices import BYTES_PER_GB, read_prices
from processor.s3_objects import ARCHIVE_PREFIX

# https://aws.amazon.com/s3/pricing/, us-east-1, for 1,000 GET requests; from memory.
_DOLLARS_FOR_GETS = 0.0004
SMALL_BYTES = 128 * 1024
"""Smaller objects stay in the Standard storage class (docs/adr/0007)."""


@dataclass(slots=True)
class Day:
    """A day's objects."""

    day: date
    objects: int = 0
    bytes: int = 0
    small_objects: int = 0
    small_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What the small objects cost, in dollars; `standard`, `glacier`: a month of their bytes in each class.

    `puts`, `reads`: writing and reading each of them once; `larger_objects`: in how many objects of 128 KiB
    they would fit.
    """

    puts: float
    reads: float
    standard: float
    glacier: float
    larger_objects: int
    larger_puts: float
    larger_reads: float


async def list_days(connections: Connections, scope: Scope, progress: Callable[[int], None]) -> list[Day]:
    """Return what each day's objects are."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    by_day: dict[date, Day] = {}
    for prefix in scope.prefixes(ARCHIVE_PREFIX):
        async for found in list_keys(s3, bucket, prefix):
            name = parse_key(found["Key"])
            if name is None or not scope.takes(name.shard):
                continue
            day, size = by_day.setdefault(name.day, Day(name.day)), found["Size"]
            day.objects += 1
            day.bytes += size
            day.small_objects += size < SMALL_BYTES
            day.small_bytes += size if size < SMALL_BYTES else 0
            progress(1)
    return [day for _, day in sorted(by_day.items())]


async def outside_of(connections: Connections, scope: Scope) -> str:
    """Return that there is no object of a scope, and whether the archive has others."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    async for found in list_keys(s3, bucket, ARCHIVE_PREFIX):
        if (name := parse_key(found["Key"])) is not None:
            days = f"from {scope.begin} to {scope.end}" if scope.begin else "of any day"
            shard = f" of shard {scope.shard}" if scope.shard else ""
            return f"There is no object {days}{shard}; the archive has others, the first one of {name.day}."
    return "There is no object yet: the archive is empty."


def small_costs(days: list[Day]) -> Costs:
    """Return what the small objects cost beside larger ones that hold the same."""
    objects, size = sum(day.small_objects for day in days), sum(day.small_bytes for day in days)
    larger = -(-size // SMALL_BYTES)
    return Costs(
        puts=_dollars("1,000 PUT requests", objects / 1000),
        reads=round(objects / 1000 * _DOLLARS_FOR_GETS, 4),
        standard=_dollars("GB-month in Standard", size / BYTES_PER_GB),
        glacier=_dollars("GB-month in Glacier Instant Retrieval", size / BYTES_PER_GB),
        larger_objects=larger,
        larger_puts=_dollars("1,000 PUT requests", larger / 1000),
        larger_reads=round(larger / 1000 * _DOLLARS_FOR_GETS, 4),
    )


def advice(days: list[Day], costs: Costs, *, records: int | None, duplicates: int | None) -> list[str]:
    """Return what to do, if anything."""
    objects, small = sum(day.objects for day in days), sum(day.small_objects for day in days)
    found = []
    saved = costs.puts - costs.larger_puts
    if small > objects // 2 and saved >= 1:
        found.append(
            f"{small:,} of {objects:,} objects are small. A larger event_source.batch_size or window_seconds "
            f"would have saved up to ${saved:,.2f} of puts, and makes updates later by as much as the window."
        )
    elif small > objects // 2:
        found.append(f"{small:,} of {objects:,} objects are small, which costs ${saved:,.2f}: leave it.")
    if costs.standard - costs.glacier >= 1:
        found.append(
            f"Their bytes stay in Standard for ${costs.standard:,.2f} a month; in larger objects they would "
            f"move to Glacier Instant Retrieval, for ${costs.glacier:,.2f} (docs/adr/0007)."
        )
    if records and duplicates and duplicates > records // 20:
        found.append(
            f"{duplicates / records:.0%} of the lines are duplicates: batches are retried often. "
            "`catalog status` says what fails."
        )
    return found or ["Nothing to do: most bytes are in large objects."]


def _dollars(unit: str, count: float) -> float:
    price = read_prices().of("s3", unit).dollars
    return round(count * price, 4) if price is not None else 0.0
