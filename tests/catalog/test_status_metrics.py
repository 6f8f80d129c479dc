"""What `catalog status` reads from CloudWatch where the metrics are there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aioboto3
import pytest

from catalog.connections import Connections
from catalog.environment import Environment
from catalog.repair.marks import Marks
from catalog.status.flow import NAMESPACE, SERVICE, ReadObjects, read_rejections, read_throughput
from catalog.status.lag import ArchiveTails, read_lag
from catalog.status.stores import read_cache
from local.demo.kept_run import environment_members
from local.emulated_aws.account import REGION
from local.servers import Servers
from processor.adapters import telemetry
from tests.support.real_servers import Services

NOW = datetime.now(UTC).replace(second=30, microsecond=0)


@pytest.fixture
async def connections(services: Services, servers: Servers) -> AsyncIterator[Connections]:
    """Open an environment with a name of its own, since the emulator keeps the metrics of all tests."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    name = services.account.stream_name
    own = {"name": name, "function_name": f"processor-{name}", "cache_cluster_id": f"cache-{name}"}
    session = aioboto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    async with AsyncExitStack() as stack:
        yield Connections(Environment(**members | own), session, stack)


async def emit(
    connections: Connections, namespace: str, name: str, minutes_ago: float, value: float, **dimensions: str
) -> None:
    """Put one value of a metric."""
    cloudwatch = await connections.aws("cloudwatch")
    datum = {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
        "Timestamp": NOW - timedelta(minutes=minutes_ago),
        "Value": value,
    }
    await cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])


def test_the_metrics_are_the_processors() -> None:
    assert (NAMESPACE, SERVICE) == (telemetry.NAMESPACE, telemetry.SERVICE)


async def test_lag_by_the_mapping_and_by_shard(connections: Connections) -> None:
    environment = connections.environment
    await emit(connections, "AWS/Lambda", "IteratorAge", 2, 4_000, FunctionName=environment.function_name)
    await emit(connections, "AWS/Lambda", "IteratorAge", 90, 9_000, FunctionName=environment.function_name)
    shard = {"StreamName": environment.stream_name, "ShardId": "shardId-000000000000"}
    await emit(connections, "AWS/Kinesis", "IteratorAgeMilliseconds", 3, 1_500, **shard)
    await emit(connections, "AWS/Kinesis", "IteratorAgeMilliseconds", 2, 2_500, **shard)
    lag = await read_lag(connections, NOW, ArchiveTails())
    assert (lag.iterator_age_seconds, lag.missing) == (4.0, [])
    assert [(one.behind_seconds, one.source) for one in lag.shards] == [(2.5, "metric")]


async def test_throughput_of_5_and_60_minutes(connections: Connections) -> None:
    dimensions = {"service": SERVICE, "environment": connections.environment.name}
    for minutes_ago, value in ((2, 10), (30, 100), (70, 1_000)):
        await emit(connections, NAMESPACE, "RecordsIn", minutes_ago, value, **dimensions)
    throughput = await read_throughput(connections, NOW, ReadObjects())
    assert (throughput.source, throughput.counts["received"]) == ("metrics", (10, 110))


async def test_rejections_are_counted_by_metrics_where_quarantine_holds_too_much(
    connections: Connections, services: Services
) -> None:
    dimensions = {"service": SERVICE, "environment": connections.environment.name, "reason": "invalid_json"}
    await emit(connections, NAMESPACE, "RecordsRejectedByReason", 10, 3, **dimensions)
    assert (await read_rejections(connections, datetime.now(UTC), ReadObjects(), Marks())).by_reason == {}
    day = datetime.now(UTC).date()
    await services.account.s3.put_object(
        Bucket=services.account.quarantine_bucket,
        Key=f"quarantine/dt={day}/shardId-000000000000/1-2-aaaaaaaaaaaa.ndjson",
        Body=bytes(64 * 1024 * 1024 + 1),
    )
    rejections = await read_rejections(connections, datetime.now(UTC), ReadObjects(), Marks())
    assert (rejections.source, rejections.by_reason["invalid_json"][1]) == ("metrics", 3)


async def test_a_cache_that_refuses_info_is_read_from_metrics(
    connections: Connections, services: Services
) -> None:
    node: Any = {"CacheClusterId": f"{connections.environment.cache_cluster_id}-001"}
    for name, value in (
        ("BytesUsedForCache", 1_000), ("DatabaseMemoryUsagePercentage", 12.5), ("Evictions", 2),
        ("CacheHits", 30), ("CacheMisses", 10),
    ):  # fmt: skip
        await emit(connections, "AWS/ElastiCache", name, 10, value, **node)
    await services.redis.execute_command("ACL", "SETUSER", "default", "-info")  # type: ignore[no-untyped-call]
    try:
        cache = await read_cache(connections, NOW)
    finally:
        await services.redis.execute_command("ACL", "SETUSER", "default", "+info")  # type: ignore[no-untyped-call]
    assert (cache.memory_bytes, cache.memory_share, cache.evictions, cache.hit_rate) == (
        1_000,
        0.125,
        2,
        0.75,
    )
    assert cache.source == "metrics"
