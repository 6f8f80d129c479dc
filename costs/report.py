"""The texts: one line per environment, and a table."""

from collections.abc import Iterator, Sequence
from math import floor, log10
from textwrap import wrap

from costs.archive import archive_drivers
from costs.capacity import capacity
from costs.driver import Driver, total, unpriced
from costs.fixed import fixed_drivers
from costs.load import Load
from costs.prices import HOURS_PER_MONTH, Prices
from costs.processor import batch_ms
from costs.usage import usage_drivers
from stacks.config.environments import Environment

NOT_COUNTED = (
    "taxes, discounts and the free tier; data between zones and out of AWS; what the shop and suppliers do; "
    "rejected records and failed batches; retries; cold starts; a customer-managed key and requests to it; "
    "requests to Secrets Manager; e-mails of alarms; what PostgreSQL logs; CPU credits of t4g; storage that "
    "grows by itself; old deployment packages; Terraform's state"
)
_YEAR_DAYS = 365
_COLUMNS = 120
_FEWEST_DECIMALS = 2

Row = tuple[str, str, str, str, str]


def summary(environment: Environment, prices: Prices) -> str:
    """Return an environment's capacity and fixed costs in one line."""
    limits = capacity(environment)
    fixed = fixed_drivers(environment, prices)
    missing = "".join(f" without {unit}s" for unit in unpriced(fixed))
    region = "" if environment.region == prices.region else f" at prices of {prices.region}"
    return (
        f"{environment.stack_id}: {limits.records_by_shards:,} records/s by shards, "
        f"{_rounded(limits.records_by_function):,} at {limits.batch_ms:.0f} ms a batch, "
        f"{limits.connections} of {limits.allowed_connections} connections, "
        f"${total(fixed):,.0f}/month{region}{missing}"
    )


def table(environment: Environment, prices: Prices, load: Load) -> str:
    """Return the same line, and what the environment costs a month, driver by driver."""
    fixed = fixed_drivers(environment, prices)
    usage = usage_drivers(environment, prices, load)
    rows = [
        ("driver", "count", "unit", "price", "dollars"),
        *map(_row, filter(_counts, fixed)),
        _sum("at rest", fixed),
        *map(_row, filter(_counts, usage)),
        _sum(f"for {load.records_per_day:,} records a day", usage),
        _sum("a month", [*fixed, *usage]),
    ]
    lines = [
        summary(environment, prices),
        *_aligned(rows),
        *_remarks(environment, prices, load),
        f"nothing for: {', '.join(dict.fromkeys(each.name for each in fixed if not each.count))}",
        *(f"no price of {unit}: add it to costs/prices.toml" for unit in unpriced(fixed)),
    ]
    return "\n".join(line for text in lines for line in wrap(text, _COLUMNS) or [text])


def footer(prices: Prices) -> str:
    """Return what holds for every table."""
    return "\n".join(
        wrap(
            f"List prices of {prices.region} on {prices.oldest} (costs/prices.toml); a month has "
            f"{HOURS_PER_MONTH} hours, and the archive is as large as it gets. Not counted: {NOT_COUNTED}.",
            _COLUMNS,
        )
    )


def _counts(driver: Driver) -> bool:
    return driver.count > 0


def _row(driver: Driver) -> Row:
    unknown = driver.price.dollars is None or driver.dollars is None
    return (
        driver.name,
        _number(driver.count),
        driver.price.unit,
        "?" if unknown else _price(driver.price.dollars or 0.0),
        "?" if unknown else f"{driver.dollars:,.2f}",
    )


def _sum(name: str, drivers: Sequence[Driver]) -> Row:
    return (f"= {name}", "", "", "", f"{total(drivers):,.2f}")


def _remarks(environment: Environment, prices: Prices, load: Load) -> Iterator[str]:
    batches = list(load.batches(environment))
    per_day = sum(batch.per_day for batch in batches)
    records = load.records_per_day / per_day
    yield (
        f"{per_day:,.0f} batches a day of {records:,.1f} records, assumed to take "
        f"{batch_ms(records, environment.function):.0f} ms each (costs/processor.py)"
    )
    one, two, three = (
        f"${total(archive_drivers(batches, environment.archive, prices, days=year * _YEAR_DAYS)):,.2f}"
        for year in (1, 2, 3)
    )
    yield f"storage of the archive: {one} a month after one year, {two} after two, {three} after three"
    limits = capacity(environment)
    limit = min(limits.records_by_shards, limits.records_by_function)
    if load.busiest_records_per_second > limit:
        yield (
            f"too much: {load.busiest_records_per_second:,.0f} records/s in the busiest hour; it can take "
            f"{_rounded(limit):,}"
        )
    if environment.region != prices.region:
        yield f"these are prices of {prices.region}; {environment.region}, where it is, has others"


def _rounded(number: float) -> int:
    """Return a number with two significant digits, not more than it is."""
    unit = int(10 ** max(floor(log10(number)) - 1, 0))
    return floor(number / unit) * unit


def _number(count: float) -> str:
    if count >= 100 or count == int(count):
        return f"{count:,.0f}"
    return f"{count:,.2f}" if count >= 1 else f"{count:.4f}"


def _price(dollars: float) -> str:
    text = f"{dollars:.10f}".rstrip("0")
    return text if len(text.partition(".")[2]) >= _FEWEST_DECIMALS else f"{dollars:.2f}"


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, count, unit, price, dollars in rows:
        yield "  ".join(
            (
                name.ljust(widths[0]),
                count.rjust(widths[1]),
                unit.ljust(widths[2]),
                price.rjust(widths[3]),
                dollars.rjust(widths[4]),
            )
        )
