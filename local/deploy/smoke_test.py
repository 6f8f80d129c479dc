"""Send one record through the deployed pipeline, and check every place where it must end."""

import asyncio
import gzip
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
from redis.asyncio import Redis

from local.deploy.aws_clients import AwsClients
from local.deploy.deployed_function import DeployedFunction
from local.deploy.errors import DeployError
from local.deploy.passwords import read_login
from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    MappingSettings,
    StartingPosition,
    SystemClock,
)
from local.emulated_aws.event_source_mapping.aws_adapters import KinesisStream, S3FailureDestination
from local.emulated_aws.function_service import FunctionService, LaunchCommand
from local.servers import PostgresAddress, ValkeyAddress
from processor.cache_keys import value_key
from processor.reader import CatalogReader
from processor.s3_objects import archived_data

_PRODUCT = "product123"
_RECORD = b'{"product_id": "product123", "inventory": 100, "price": 29.99}'
_EXPECTED = {"product_id": _PRODUCT, "inventory": 100, "price": "29.99"}
_WAIT_SECONDS = 60.0
_SHARDS = 2

OnLog = Callable[[str], None]


async def put_record(aws: AwsClients, stream_name: str) -> tuple[str, str]:
    """Put the record on the deployed stream; return its shard and sequence number."""
    async with aws.client("kinesis") as kinesis:
        response = await kinesis.put_record(StreamName=stream_name, PartitionKey=_PRODUCT, Data=_RECORD)
    return response["ShardId"], response["SequenceNumber"]


async def run_mapping(
    aws: AwsClients, mapping_id: str, function: DeployedFunction, launch: LaunchCommand, on_log: OnLog
) -> str:
    """Read the stream to its end with the deployed mapping's settings; return a summary to print.

    Raises: DeployError if a batch failed.
    """
    service = FunctionService(
        function.handler,
        variables=function.variables,
        timeout_seconds=function.timeout_seconds,
        reserved_concurrency=_SHARDS,
        new_id=_new_id,
        on_log=on_log,
        launch=launch,
    )
    async with (
        aws.client("kinesis") as kinesis,
        aws.client("s3") as s3,
        aws.client("lambda") as functions,
    ):
        deployed = await functions.get_event_source_mapping(UUID=mapping_id)
        bucket = deployed["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2]
        mapping = EventSourceMapping(
            mapping_settings(deployed, role_arn=function.role_arn),
            stream=KinesisStream(kinesis, deployed["EventSourceArn"]),
            function=service,
            failures=S3FailureDestination(s3, bucket),
            clock=SystemClock(),
            new_id=_new_id,
        )
        running = asyncio.create_task(mapping.run())
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await mapping.wait_until_done()
        except TimeoutError as error:
            raise DeployError(f"the record was not acknowledged within {_WAIT_SECONDS:g} s") from error
        finally:
            mapping.stop()
            await asyncio.wait([running])
            await service.close()
    progress = mapping.progress
    if progress.function_errors or progress.reported_failures or progress.records_acknowledged != 1:
        raise DeployError(f"the function did not acknowledge the record the first time: {progress}")
    return (
        f"acknowledged in {progress.invocations} invocation, batches of up to {deployed['BatchSize']} within "
        f"{deployed['MaximumBatchingWindowInSeconds']} s as the deployed mapping says"
    )


def mapping_settings(deployed: Mapping[str, Any], *, role_arn: str) -> MappingSettings:
    """Return our mapping's settings from the description of the deployed mapping."""
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
    aws: AwsClients, secret_arn: str, postgres: PostgresAddress, valkey: ValkeyAddress
) -> str:
    """Read the product as the shop does, with its deployed login: from the database, then from the cache.

    Raises: DeployError if either differs from the record.
    """
    shop = await read_login(aws, secret_arn)
    # The secret has the stack's port, 5432; `differences_from_aws` has the reason.
    where = {"host": shop["host"], "port": postgres.port, "database": shop["dbname"]}
    redis = Redis(host=valkey.host, port=valkey.port)
    async with asyncpg.create_pool(
        user=shop["username"], password=shop["password"], min_size=1, max_size=1, **where
    ) as pool:
        reader = CatalogReader(pool, redis)
        row, cached = await reader.get(_PRODUCT), await reader.get(_PRODUCT)
        cached_value = await redis.get(value_key(_PRODUCT))
    await redis.aclose()
    statistics = reader.statistics
    if row is None or row != cached or (statistics.misses, statistics.hits) != (1, 1):
        raise DeployError(f"the shop read {row}, then {cached}: {statistics}")
    value = json.loads(cached_value or b"{}")
    if {name: value.get(name) for name in _EXPECTED} != _EXPECTED:
        raise DeployError(f"{value_key(_PRODUCT)} is {cached_value!r}; expected {_EXPECTED} in it")
    if (row.inventory, str(row.price)) != (_EXPECTED["inventory"], _EXPECTED["price"]):
        raise DeployError(f"the row is {row}; expected {_EXPECTED}")
    return f"{shop['username']} read {row.inventory} at {row.price} from the database, then from the cache"


async def check_archive(aws: AwsClients, bucket: str, shard: str, sequence_number: str) -> str:
    """Return the archive object's key. Raises: DeployError unless it is the only one, with the same bytes."""
    async with aws.client("s3") as s3:
        found = await s3.list_objects_v2(Bucket=bucket)
        keys: list[str] = [each["Key"] for each in found.get("Contents", [])]
        if len(keys) != 1 or f"/{shard}/{sequence_number}-" not in keys[0]:
            raise DeployError(f"the archive contains {keys}; expected one object: {shard} {sequence_number}")
        response = await s3.get_object(Bucket=bucket, Key=keys[0])
        lines = gzip.decompress(await response["Body"].read()).splitlines()
    if [archived_data(line) for line in lines] != [_RECORD]:
        raise DeployError(f"{keys[0]} contains {lines}; expected one line with {_RECORD!r}")
    return keys[0]


async def check_no_failures(aws: AwsClients, bucket: str, queue_url: str) -> str:
    """Return a summary to print. Raises: DeployError if there is a failed batch or a rejected record."""
    async with aws.client("s3") as s3, aws.client("sqs") as sqs:
        keys = [found["Key"] for found in (await s3.list_objects_v2(Bucket=bucket)).get("Contents", [])]
        response = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    bodies = [json.loads(received["Body"]) for received in response.get("Messages", [])]
    if keys or [body.get("Event") for body in bodies] != ["s3:TestEvent"]:
        raise DeployError(f"quarantine contains {keys}, the queue {bodies}; expected only the s3:TestEvent")
    return "nothing in quarantine; only S3's s3:TestEvent on the queue"


def _new_id() -> str:
    return str(uuid.uuid4())
