"""What is paid for whether records arrive or not."""

from collections.abc import Iterator

from costs.driver import Driver
from costs.logs import DRAINS_PER_MONTH, drain_log_bytes, ingestion, storage
from costs.prices import HOURS_PER_MONTH, Prices
from costs.processor import drain_gb_seconds
from stacks.config.environments import Environment
from stacks.config.settings import Provisioned
from stacks.monitoring.alarm_definitions import alarm_definitions
from stacks.monitoring.metrics import Calculated, Watched

DRAIN_METRICS = 2
"""The custom metrics that every drain emits; tests/costs/test_measured.py counts them."""

# The administrator's, which RDS creates, the processor's and the shop's.
_SECRETS = 3
# The hours that a stream keeps records for its base price.
_BASE_RETENTION_HOURS = 24
_VCPUS = {"micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8}


def fixed_drivers(environment: Environment, prices: Prices) -> list[Driver]:
    """Return the drivers of an environment in which nothing happens."""
    return [
        *_stream(environment, prices),
        *_database(environment, prices),
        _cache(environment, prices),
        *_network(environment, prices),
        _secrets(prices),
        *_monitoring(environment, prices),
        *_drain(environment, prices),
    ]


def _stream(environment: Environment, prices: Prices) -> Iterator[Driver]:
    kinds = ("aws_kinesis_stream",)
    capacity = environment.stream.capacity
    if not isinstance(capacity, Provisioned):
        price = prices.of("kinesis", "on-demand stream-hour")
        yield Driver(name="stream on demand", count=HOURS_PER_MONTH, price=price, kinds=kinds)
        return
    hours = capacity.shard_count * HOURS_PER_MONTH
    yield Driver(name="shards", count=hours, price=prices.of("kinesis", "shard-hour"), kinds=kinds)
    extended = environment.stream.retention_hours > _BASE_RETENTION_HOURS
    yield Driver(
        name="shards' retention",
        count=hours if extended else 0,
        price=prices.of("kinesis", "shard-hour of extended retention"),
        kinds=kinds,
    )


def _database(environment: Environment, prices: Prices) -> Iterator[Driver]:
    kinds = ("aws_db_instance",)
    settings = environment.database
    instances = 1 + settings.multi_az
    yield Driver(
        name="database instance",
        count=instances * HOURS_PER_MONTH,
        price=prices.hour_of("rds", settings.instance_class),
        kinds=kinds,
    )
    yield Driver(
        name="database storage",
        count=instances * settings.storage_gb,
        price=prices.of("rds", "GB-month of gp3"),
        kinds=kinds,
    )
    vcpus = _VCPUS[settings.instance_class.rpartition(".")[2]]
    yield Driver(
        name="Database Insights, advanced",
        count=vcpus * HOURS_PER_MONTH if settings.detailed_insights else 0,
        price=prices.of("cloudwatch", "vCPU-hour of Database Insights"),
        kinds=kinds,
    )


def _cache(environment: Environment, prices: Prices) -> Driver:
    return Driver(
        name="cache nodes",
        count=(1 + environment.cache.replicas) * HOURS_PER_MONTH,
        price=prices.hour_of("elasticache", environment.cache.node_type),
        kinds=("aws_elasticache_replication_group",),
    )


def _network(environment: Environment, prices: Prices) -> Iterator[Driver]:
    """Yield what the network costs: one interface of the endpoint per zone, and NAT gateways."""
    interfaces, gateways = environment.network.vpc.endpoint_interfaces, environment.network.vpc.nat_gateways
    yield Driver(
        name="Secrets Manager's endpoint",
        count=interfaces * HOURS_PER_MONTH,
        price=prices.of("privatelink", "interface endpoint hour"),
        kinds=("aws_vpc_endpoint",),
    )
    yield Driver(
        name="NAT gateways",
        count=gateways * HOURS_PER_MONTH,
        price=prices.of("vpc", "NAT gateway hour"),
        kinds=("aws_nat_gateway",),
    )
    yield Driver(
        name="NAT gateways' addresses",
        count=gateways * HOURS_PER_MONTH,
        price=prices.of("vpc", "public IPv4 address hour"),
        kinds=("aws_eip",),
    )


def _secrets(prices: Prices) -> Driver:
    return Driver(
        name="secrets",
        count=_SECRETS,
        price=prices.of("secretsmanager", "secret"),
        kinds=("aws_secretsmanager_secret",),
    )


def _monitoring(environment: Environment, prices: Prices) -> Iterator[Driver]:
    yield Driver(
        name="alarms",
        count=_alarm_metrics(environment),
        price=prices.of("cloudwatch", "metric of an alarm"),
        kinds=("aws_cloudwatch_metric_alarm",),
    )
    yield Driver(
        name="dashboard",
        count=1,
        price=prices.of("cloudwatch", "dashboard"),
        kinds=("aws_cloudwatch_dashboard",),
    )
    gb = _database_monitoring_gb(environment)
    yield Driver(
        name="enhanced monitoring's logs",
        count=gb,
        price=prices.of("cloudwatch", "GB of logs ingested"),
        kinds=("aws_db_instance",),
    )


def _alarm_metrics(environment: Environment) -> int:
    """Return how many metrics the alarms watch: CloudWatch bills an expression by the metrics in it."""
    watched = Watched(
        stream_name="",
        function_name="",
        migrations_name="",
        mapping_uuid="",
        queue_name="",
        database_identifier="",
        cache_node_ids=("",) * (1 + environment.cache.replicas),
    )
    definitions = alarm_definitions(environment, watched)
    return sum(len(each.metric.of) if isinstance(each.metric, Calculated) else 1 for each in definitions)


def _database_monitoring_gb(environment: Environment) -> float:
    """Return the GB a month of the operating system's metrics, which a standby logs too.

    From memory of AWS's user guide: 16.07 GB if measured every second, else in proportion.
    """
    seconds = environment.database.monitoring_seconds
    return (1 + environment.database.multi_az) * 16.07 / seconds if seconds else 0.0


def _drain(environment: Environment, prices: Prices) -> Iterator[Driver]:
    """Yield what the schedule costs that invokes the processor every minute."""
    function = ("aws_lambda_function",)
    architecture = environment.function.architecture
    yield Driver(
        name="drain: requests",
        count=DRAINS_PER_MONTH / 1e6,
        price=prices.of("lambda", "million requests"),
        kinds=function,
    )
    yield Driver(
        name="drain: duration",
        count=drain_gb_seconds(environment.function),
        price=prices.of("lambda", f"{architecture} GB-second"),
        kinds=function,
    )
    # Each is the first invocation of its second, which X-Ray always records.
    yield Driver(
        name="drain: traces",
        count=DRAINS_PER_MONTH / 1e6,
        price=prices.of("xray", "million traces"),
        kinds=function,
    )
    logged = DRAINS_PER_MONTH * drain_log_bytes()
    yield ingestion("drain: logs", logged, prices)
    yield storage("drain: logs kept", logged, environment, prices)
    yield Driver(
        name="drain: metrics",
        count=DRAIN_METRICS,
        price=prices.of("cloudwatch", "custom metric"),
        kinds=function,
    )
