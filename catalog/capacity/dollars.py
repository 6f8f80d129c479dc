"""What the parts of a plan cost a month, by the list prices of `costs/prices.toml`."""

from collections.abc import Iterator

from catalog.capacity.plan import Plan
from costs.archive import archive_drivers
from costs.driver import Driver
from costs.prices import BYTES_PER_GB, DAYS_PER_MONTH, HOURS_PER_MONTH, Prices
from costs.processor import gb_seconds
from stacks.config.environments import ENVIRONMENTS
from stacks.config.environments import Environment as Settings

_DAYS = 1095
_SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
_TABLE_ROOM = 2.0


def settings() -> Settings:
    """Return the settings whose archive and architecture a plan takes: prod's, the last."""
    return ENVIRONMENTS[-1]


def drivers(plan: Plan, prices: Prices) -> list[Driver]:
    """Return what is paid for in a month of the third year, largest first."""
    found = [each for each in _drivers(plan, prices) if each.count > 0]
    return sorted(found, key=lambda driver: -(driver.dollars or 0.0))


def _drivers(plan: Plan, prices: Prices) -> Iterator[Driver]:
    load, like = plan.load, settings()
    records = load.average * _SECONDS_PER_MONTH
    batches = sum(each.per_day for each in plan.daily) * DAYS_PER_MONTH
    daily_ms = sum(each.per_day * plan.milliseconds_of(each.records) for each in plan.daily)

    def driver(name: str, count: float, section: str, unit: str) -> Driver:
        return Driver(name=name, count=count, price=prices.of(section, unit), kinds=())

    yield driver("shards", plan.shards * HOURS_PER_MONTH, "kinesis", "shard-hour")
    extended = "shard-hour of extended retention"
    yield driver("shards' retention of 7 days", plan.shards * HOURS_PER_MONTH, "kinesis", extended)
    yield driver("records put", records / 1e6, "kinesis", "million PUT payload units")
    yield driver("batches: requests", batches / 1e6, "lambda", "million requests")
    seconds = gb_seconds(daily_ms * DAYS_PER_MONTH, like.function) * load.memory_mb / like.function.memory_mb
    yield driver("batches: duration", seconds, "lambda", f"{like.function.architecture} GB-second")
    yield driver("archive: requests", batches / 1000, "s3", "1,000 PUT requests")
    yield from archive_drivers(plan.daily, like.archive, prices, days=_DAYS)
    # A standby in another zone, as in prod.
    instances = 2 * plan.databases
    yield Driver(
        name="database instances, with a standby each",
        count=instances * HOURS_PER_MONTH,
        price=prices.hour_of("rds", plan.database.instance_class),
        kinds=(),
    )
    gb = max(100.0 * plan.databases, _TABLE_ROOM * plan.table_bytes / BYTES_PER_GB)
    yield driver("database storage", 2 * gb, "rds", "GB-month of gp3")
    count, node = plan.cache
    yield Driver(
        name="cache nodes, with a replica each",
        count=2 * count * HOURS_PER_MONTH,
        price=prices.hour_of("elasticache", node),
        kinds=(),
    )
