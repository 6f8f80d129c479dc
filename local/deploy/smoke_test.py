"""One record through the deployed pipeline: put on the stream's name, looked for everywhere it must end."""

import asyncio
import gzip
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from redis.asyncio import Redis

from local.deploy.aws_clients import Cloud
from local.deploy.deployed_function import DeployedFunction
from local.deploy.errors import DeployError
from local.deploy.passwords import login
from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    MappingSettings,
    StartingPosition,
    SystemClock,
)
from local.emulated_aws.event_source_mapping.aws_adapters import KinesisStream, S3FailureDestination
from local.emulated_aws.function_service import LambdaService, Runtime
from local.servers import PostgresAddress, ValkeyAddress
from processor.cache_keys import value_key
from processor.reader import CatalogReader
from processor.s3_objects import archived_data

_PRODUCT = "product123"
_RECORD = b'{"product_id": "product123", "inventory": 100, "price": 29.99}'
_HELD = {"product_id": _PRODUCT, "inventory": 100, "price": "29.99"}
_DRAIN_SECONDS = 60.0
_SHARDS = 2

Tell = Callable[[str], None]


async def put_record(cloud: Cloud, stream_name: str) -> tuple[str, str]:
    """Put the record on the deployed stream's name; returns its shard and sequence number."""
    async with cloud.client("kinesis") as kinesis:
        answer = await kinesis.put_record(StreamName=stream_name, PartitionKey=_PRODUCT, Data=_RECORD)
    return answer["ShardId"], answer["SequenceNumber"]


async def map_to_function(
    cloud: Cloud, mapping_id: str, function: DeployedFunction, runtime: Runtime, on_log: Tell
) -> str:
    """Read the stream to its end by the deployed mapping's settings; returns what happened, for people.

    Raises: DeployError if a batch failed.
    """
    service = LambdaService(
        function.handler,
        environment=function.environment,
        timeout_seconds=function.timeout_seconds,
        reserved_concurrency=_SHARDS,
        new_id=_new_id,
        on_log=on_log,
        runtime=runtime,
    )
    async with (
        cloud.client("kinesis") as kinesis,
        cloud.client("s3") as s3,
        cloud.client("lambda") as functions,
    ):
        deployed = await functions.get_event_source_mapping(UUID=mapping_id)
        bucket = deployed["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2]
        mapping = EventSourceMapping(
            settings(deployed, role_arn=function.role_arn),
            stream=KinesisStream(kinesis, deployed["EventSourceArn"]),
            function=service,
            failures=S3FailureDestination(s3, bucket),
            clock=SystemClock(),
            new_id=_new_id,
        )
        running = asyncio.create_task(mapping.run())
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await mapping.drained()
        except TimeoutError as error:
            raise DeployError(f"the record was not acknowledged within {_DRAIN_SECONDS:g} s") from error
        finally:
            mapping.stop()
            await asyncio.wait([running])
            await service.close()
    progress = mapping.progress
    if progress.function_errors or progress.reported_failures or progress.records_acknowledged != 1:
        raise DeployError(f"the function did not acknowledge the record at once: {progress}")
    return (
        f"acknowledged in {progress.invocations} invocation, batches of up to {deployed['BatchSize']} within "
        f"{deployed['MaximumBatchingWindowInSeconds']} s as the deployed mapping says"
    )


def settings(deployed: Mapping[str, Any], *, role_arn: str) -> MappingSettings:
    """Return our mapping's settings from those of the deployed one, as Lambda describes it."""
    return MappingSettings(
        mapping_uuid=deployed["UUID"],
        stream_arn=deployed["EventSourceArn"],
        function_arn=deployed["FunctionArn"],
        role_arn=role_arn,
        starting_position=StartingPosition(deployed["StartingPosition"]),
        batch_size=deployed["BatchSize"],
        maximum_batching_window_in_seconds=deployed["MaximumBatchingWindowInSeconds"],
        parallelization_factor=deployed["ParallelizationFactor"],
        maximum_retry_attempts=deployed["MaximumRetryAttempts"],
        maximum_record_age_in_seconds=deployed["MaximumRecordAgeInSeconds"],
        bisect_batch_on_function_error=deployed["BisectBatchOnFunctionError"],
        report_batch_item_failures="ReportBatchItemFailures" in deployed["FunctionResponseTypes"],
        poll_interval_seconds=0.25,
    )


async def read_as_shop(
    cloud: Cloud, secret_arn: str, postgres: PostgresAddress, valkey: ValkeyAddress
) -> str:
    """Read the product as the shop does, with its deployed login: from the database, then from the cache.

    Raises: DeployError if either is not as the record says.
    """
    shop = await login(cloud, secret_arn)
    # The secret's port is the stack's 5432; limits.py has the reason.
    where = {"host": shop["host"], "port": postgres.port, "database": shop["dbname"]}
    redis = Redis(host=valkey.host, port=valkey.port)
    async with asyncpg.create_pool(
        user=shop["username"], password=shop["password"], min_size=1, max_size=1, **where
    ) as pool:
        reader = CatalogReader(pool, redis)
        row, cached = await reader.get(_PRODUCT), await reader.get(_PRODUCT)
        kept = await redis.get(value_key(_PRODUCT))
    await redis.aclose()
    statistics = reader.statistics
    if row is None or row != cached or (statistics.misses, statistics.hits) != (1, 1):
        raise DeployError(f"the shop read {row}, then {cached}: {statistics}")
    value = json.loads(kept or b"{}")
    if {name: value.get(name) for name in _HELD} != _HELD:
        raise DeployError(f"{value_key(_PRODUCT)} is {kept!r}; expected {_HELD} in it")
    if (row.inventory, str(row.price)) != (_HELD["inventory"], _HELD["price"]):
        raise DeployError(f"the row is {row}; expected {_HELD}")
    return f"{shop['username']} read {row.inventory} at {row.price} from the database, then from the cache"


async def check_archive(cloud: Cloud, bucket: str, shard: str, sequence_number: str) -> str:
    """Return the archive object's key. Raises: DeployError unless it is the only one, with the same bytes."""
    async with cloud.client("s3") as s3:
        found = await s3.list_objects_v2(Bucket=bucket)
        keys: list[str] = [each["Key"] for each in found.get("Contents", [])]
        if len(keys) != 1 or f"/{shard}/{sequence_number}-" not in keys[0]:
            raise DeployError(f"the archive holds {keys}; expected one object for {shard} {sequence_number}")
        answer = await s3.get_object(Bucket=bucket, Key=keys[0])
        lines = gzip.decompress(await answer["Body"].read()).splitlines()
    if [archived_data(line) for line in lines] != [_RECORD]:
        raise DeployError(f"{keys[0]} holds {lines}; expected one line with {_RECORD!r}")
    return keys[0]


async def check_no_failures(cloud: Cloud, bucket: str, queue_url: str) -> str:
    """Return what was looked at. Raises: DeployError if a failed batch or a rejected record is anywhere."""
    async with cloud.client("s3") as s3, cloud.client("sqs") as sqs:
        keys = [found["Key"] for found in (await s3.list_objects_v2(Bucket=bucket)).get("Contents", [])]
        answer = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    bodies = [json.loads(received["Body"]) for received in answer.get("Messages", [])]
    if keys or [body.get("Event") for body in bodies] != ["s3:TestEvent"]:
        raise DeployError(f"quarantine holds {keys}, the queue {bodies}; expected the s3:TestEvent alone")
    return "nothing in quarantine, on the queue only S3's s3:TestEvent"


def _new_id() -> str:
    return str(uuid.uuid4())
