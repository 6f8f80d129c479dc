"""What is paid for by use, for a stated load."""

from collections.abc import Iterator, Sequence
from math import ceil

from costs.archive import archive_drivers
from costs.driver import Driver
from costs.load import RECORD_BYTES, SECONDS_PER_HOUR, Batches, Load
from costs.logs import batch_log_bytes, ingestion, storage
from costs.prices import BYTES_PER_GB, DAYS_PER_MONTH, Prices
from costs.processor import batch_ms, gb_seconds
from stacks.config.environments import Environment
from stacks.config.settings import Provisioned

BATCH_METRICS = 13
"""The custom metrics that a batch emits and a drain does not; tests/costs/test_measured.py counts them."""
WAL_BYTES_PER_RECORD = 450
"""What the database writes ahead for a record: measured with batches of 100 to 1,000 updates."""

_PAYLOAD_UNIT_BYTES = 25 * 1024
_ON_DEMAND_UNIT_BYTES = 1024
_BASE_RETENTION_HOURS = 24
_EXTENDED_RETENTION_HOURS = 168
# The connections of an execution environment beside those to the database: cache, S3, Secrets Manager.
_OTHER_CONNECTIONS = 3
# Each is logged in both directions and at both ends, every ten minutes.
_FLOW_RECORDS_PER_DAY = 2 * 2 * 24 * 6
_FLOW_RECORD_BYTES = 130
# A line of S3's access log.
_REQUEST_BYTES = 600
_TRACED_SHARE = 0.05
_GROUPS = ("aws_cloudwatch_log_group",)


def usage_drivers(environment: Environment, prices: Prices, load: Load) -> list[Driver]:
    """Return the drivers of a month with this load, when the archive is as large as it gets."""
    archive = environment.archive
    batches = list(load.batches(environment))
    full = archive.expiry_days + archive.noncurrent_days
    return [
        *_stream(environment, prices, load),
        *_function(environment, prices, batches),
        Driver(
            name="batches: traces",
            count=sum(traced_of(batch.per_day) for batch in batches) * DAYS_PER_MONTH / 1e6,
            price=prices.of("xray", "million traces"),
            kinds=("aws_lambda_function",),
        ),
        *_requests(environment, prices, batches),
        *archive_drivers(batches, archive, prices, days=full),
        _backups(environment, prices, load),
        *_logs(environment, prices, batches),
        Driver(
            name="custom metrics",
            count=BATCH_METRICS,
            price=prices.of("cloudwatch", "custom metric"),
            kinds=("aws_lambda_function",),
        ),
    ]


def batches_per_month(batches: Sequence[Batches]) -> float:
    """Return how many batches a month has."""
    return sum(batch.per_day for batch in batches) * DAYS_PER_MONTH


def _stream(environment: Environment, prices: Prices, load: Load) -> Iterator[Driver]:
    kinds = ("aws_kinesis_stream",)
    records = load.records_per_day * DAYS_PER_MONTH
    retention = environment.stream.retention_hours
    longer_days = max(retention - _EXTENDED_RETENTION_HOURS, 0) / 24
    if isinstance(environment.stream.capacity, Provisioned):
        units = records * ceil(RECORD_BYTES / _PAYLOAD_UNIT_BYTES)
        price = prices.of("kinesis", "million PUT payload units")
        yield Driver(name="records put", count=units / 1e6, price=price, kinds=kinds)
        daily_gb = load.records_per_day * RECORD_BYTES / BYTES_PER_GB
    else:
        unit = ceil(RECORD_BYTES / _ON_DEMAND_UNIT_BYTES) * _ON_DEMAND_UNIT_BYTES
        daily_gb = load.records_per_day * unit / BYTES_PER_GB
        extended_days = (min(retention, _EXTENDED_RETENTION_HOURS) - _BASE_RETENTION_HOURS) / 24
        for name, count, price_of in (
            ("records put", daily_gb * DAYS_PER_MONTH, "GB written on demand"),
            ("records read", records * RECORD_BYTES / BYTES_PER_GB, "GB read on demand"),
            ("records kept", daily_gb * extended_days, "GB-month of extended retention on demand"),
        ):
            yield Driver(name=name, count=count, price=prices.of("kinesis", price_of), kinds=kinds)
    price = prices.of("kinesis", "GB-month beyond 7 days")
    yield Driver(name="records kept longer", count=daily_gb * longer_days, price=price, kinds=kinds)


def _function(environment: Environment, prices: Prices, batches: Sequence[Batches]) -> Iterator[Driver]:
    kinds = ("aws_lambda_function",)
    function = environment.function
    yield Driver(
        name="batches: requests",
        count=batches_per_month(batches) / 1e6,
        price=prices.of("lambda", "million requests"),
        kinds=kinds,
    )
    daily_ms = sum(batch.per_day * batch_ms(batch.records, function) for batch in batches)
    yield Driver(
        name="batches: duration",
        count=gb_seconds(daily_ms * DAYS_PER_MONTH, function),
        price=prices.of("lambda", f"{function.architecture} GB-second"),
        kinds=kinds,
    )


def traced_of(batches_in_an_hour: float) -> float:
    """Return how many are traced: the first of each second, and a twentieth of the others.

    https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    """
    first = min(batches_in_an_hour, SECONDS_PER_HOUR)
    return first + (batches_in_an_hour - first) * _TRACED_SHARE


def _requests(environment: Environment, prices: Prices, batches: Sequence[Batches]) -> Iterator[Driver]:
    """Yield the archive's requests, and what their log takes."""
    puts = batches_per_month(batches)
    price = prices.of("s3", "1,000 PUT requests")
    yield Driver(name="archive: requests", count=puts / 1000, price=price, kinds=("aws_s3_bucket",))
    days = environment.logs.bucket_access_days
    months = 0.0 if days is None else (days + environment.archive.noncurrent_days) / DAYS_PER_MONTH
    yield Driver(
        name="buckets' access log",
        count=puts * months * _REQUEST_BYTES / BYTES_PER_GB,
        price=prices.of("s3", "GB-month in Standard"),
        kinds=("aws_s3_bucket_logging",),
    )


def _backups(environment: Environment, prices: Prices, load: Load) -> Driver:
    """Return the backups beyond the database's own size, which are free.

    The most it can be: as if the first snapshot took all of that.
    """
    daily_gb = load.records_per_day * WAL_BYTES_PER_RECORD / BYTES_PER_GB
    return Driver(
        name="database backups, at most",
        count=environment.database.backup_retention_days * daily_gb,
        price=prices.of("rds", "GB-month of backups"),
        kinds=("aws_db_instance",),
    )


def _logs(environment: Environment, prices: Prices, batches: Sequence[Batches]) -> Iterator[Driver]:
    logged = batches_per_month(batches) * batch_log_bytes()
    yield ingestion("batches: logs", logged, prices)
    connections = environment.function.pool_size + _OTHER_CONNECTIONS
    flows = environment.planned_concurrency * connections * _FLOW_RECORDS_PER_DAY * DAYS_PER_MONTH
    flow_bytes = flows * _FLOW_RECORD_BYTES if environment.logs.network_flows else 0.0
    yield ingestion("flow log", flow_bytes, prices, "aws_flow_log")
    yield storage("logs kept", logged + flow_bytes, environment, prices)
