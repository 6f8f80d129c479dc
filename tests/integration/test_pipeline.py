"""Stream → mapping → function in separate processes → servers, and the verdict of `make local`."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg
import pytest
from redis.asyncio import Redis

from local.demo import verdict
from local.demo.feed import Outgoing, Sent, read_feed, send
from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    MappingSettings,
    StartingPosition,
    SystemClock,
)
from local.emulated_aws.event_source_mapping.aws_adapters import KinesisStream, S3FailureDestination
from local.emulated_aws.function_service import FunctionService
from local.servers import Servers
from processor.reader import CatalogReader
from tests.support.real_servers import Services, open_services, until


@dataclass(frozen=True, slots=True)
class Running:
    """Services with a running function and mapping."""

    services: Services
    function: FunctionService
    mapping: EventSourceMapping

    async def send(self, feed: Sequence[Outgoing]) -> list[Sent]:
        """Put the records on the stream."""
        account = self.services.account
        sent: list[Sent] = []
        async for taken in send(account.kinesis, account.stream_name, feed):
            sent += taken
        return sent

    async def failed_findings(self, sent: Sequence[Sent]) -> list[verdict.Finding]:
        """Return the findings that do not hold."""
        account, database = self.services.account, self.services.database
        connection = self.services.redis.connection_pool.connection_kwargs
        async with Redis(host=connection["host"], port=connection["port"]) as redis:
            findings = [
                await verdict.check_catalog(sent, database),
                await verdict.check_archive(sent, account.s3, account.archive_bucket),
                await verdict.check_quarantine(sent, account.s3, account.quarantine_bucket),
                await verdict.check_cache(redis, database),
            ]
        return [finding for finding in findings if not finding.holds]


@asynccontextmanager
async def running(services: Services, *, timeout_seconds: float = 20.0) -> AsyncIterator[Running]:
    """Run a function and a mapping on these services."""
    account = services.account
    function = FunctionService(
        "processor.handler:handler",
        variables=account.variables,
        timeout_seconds=timeout_seconds,
        reserved_concurrency=4,
        new_id=lambda: str(uuid.uuid4()),
        on_log=lambda _: None,
    )
    settings = MappingSettings(
        mapping_uuid=str(uuid.uuid4()),
        stream_arn=account.stream_arn,
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:inventory-processor-test",
        role_arn="arn:aws:iam::123456789012:role/test",
        starting_position=StartingPosition.TRIM_HORIZON,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        parallelization_factor=2,
        poll_interval_seconds=0.05,
        retry_base_seconds=0.05,
    )
    mapping = EventSourceMapping(
        settings,
        stream=KinesisStream(account.kinesis, account.stream_arn),
        function=function,
        failures=S3FailureDestination(account.s3, account.quarantine_bucket),
        clock=SystemClock(),
        new_id=lambda: str(uuid.uuid4()),
    )
    task = asyncio.create_task(mapping.run())
    try:
        yield Running(services, function, mapping)
    finally:
        mapping.stop()
        await task
        await function.close()


@pytest.fixture
async def pipeline(servers: Servers) -> AsyncIterator[Running]:
    """Pipeline that runs for one test."""
    async with open_services(servers) as services, running(services) as pipeline:
        yield pipeline


def some(count: int) -> list[Outgoing]:
    """Return so many updates of the real week and every bad record, in random order."""
    feed = read_feed()
    chosen = [record for record in feed if record.good][:count] + [
        record for record in feed if not record.good
    ]
    random.Random(1).shuffle(chosen)
    return chosen


async def test_every_record_sent_is_where_it_must_be(pipeline: Running) -> None:
    sent = await pipeline.send(some(1_500))
    await pipeline.mapping.wait_until_done()
    assert await pipeline.failed_findings(sent) == []


async def test_killed_environments_lose_and_double_nothing(pipeline: Running) -> None:
    """Repeatedly kill processes (kill -9) as soon as they have reached the database.

    One product is locked meanwhile, so that there is an unfinished batch whenever they are killed.
    """
    feed = some(800)
    locked = next(record.partition_key for record in feed if record.good)
    lock = await asyncpg.connect(pipeline.services.postgres.dsn)

    async def at_the_database() -> bool:
        connected = await pipeline.services.database.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'inventory-processor' AND datname = current_database()"
        )
        return bool(connected) and pipeline.mapping.progress.invocations_in_flight > 0

    async def more_errors_than(count: int) -> bool:
        return pipeline.mapping.progress.function_errors > count

    await lock.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ($1, 0, 'epoch')", locked
    )
    sending = asyncio.create_task(pipeline.send(feed))
    async with lock.transaction():
        await lock.execute("SELECT FROM products WHERE product_id = $1 FOR UPDATE", locked)
        for _ in range(4):
            await until(at_the_database)
            errors = pipeline.mapping.progress.function_errors
            pipeline.function.kill_busy()
            await until(partial(more_errors_than, errors))
    await lock.close()
    sent = await sending
    await pipeline.mapping.wait_until_done()
    assert pipeline.mapping.progress.function_errors >= 4
    assert await pipeline.failed_findings(sent) == []


async def test_readers_that_race_the_pipeline_leave_nothing_stale(pipeline: Running) -> None:
    feed = some(600)
    products = sorted({record.partition_key for record in feed if record.good})[:50]
    async with asyncpg.create_pool(pipeline.services.postgres.dsn, min_size=0, max_size=4) as pool:
        readers = [CatalogReader(pool, pipeline.services.redis) for _ in range(4)]
        done = asyncio.Event()

        async def read(reader: CatalogReader, rng: random.Random) -> None:
            while not done.is_set():
                await reader.get(rng.choice(products))

        reading = [
            asyncio.create_task(read(reader, random.Random(number))) for number, reader in enumerate(readers)
        ]

        async def all_had_hits() -> bool:
            return all(reader.statistics.hits for reader in readers)

        sent = await pipeline.send(feed)
        await pipeline.mapping.wait_until_done()
        await until(all_had_hits)
        done.set()
        await asyncio.gather(*reading)
    assert await pipeline.failed_findings(sent) == []
