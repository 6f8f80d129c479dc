"""The stream and the on-failure destination on AWS (or an emulator), through ready aioboto3 clients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local.emulated_aws.event_source_mapping.ports import (
    DestinationUnavailableError,
    IteratorExpiredError,
    Page,
    Position,
    Shard,
    StreamRecord,
    StreamUnavailableError,
)

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_s3 import S3Client

_TRY_AGAIN = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "ThrottlingException",
        "KMSThrottlingException",
        "InternalFailure",
        "ServiceUnavailable",
    }
)
_SERVER_ERROR = 500


class KinesisStream:
    """A Kinesis data stream.

    Errors that waiting does not cure (no such stream, access denied) stay as botocore raises them.
    """

    def __init__(self, client: "KinesisClient", stream_arn: str) -> None:
        self._client = client
        self._stream_arn = stream_arn

    async def list_shards(self) -> Sequence[Shard]:
        with _our_errors():
            answer = await self._client.list_shards(StreamARN=self._stream_arn)
            described = answer["Shards"]
            while token := answer.get("NextToken"):
                answer = await self._client.list_shards(NextToken=token)
                described += answer["Shards"]
        return [
            Shard(
                shard_id=shard["ShardId"],
                parents=tuple(
                    parent
                    for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                    if parent is not None
                ),
                closed="EndingSequenceNumber" in shard["SequenceNumberRange"],
            )
            for shard in described
        ]

    async def shard_iterator(self, shard_id: str, position: Position) -> str:
        where: dict[str, Any] = {}
        if position.sequence_number is not None:
            where["StartingSequenceNumber"] = position.sequence_number
        if position.timestamp is not None:
            where["Timestamp"] = position.timestamp
        with _our_errors():
            answer = await self._client.get_shard_iterator(
                StreamARN=self._stream_arn, ShardId=shard_id, ShardIteratorType=position.kind, **where
            )
        return answer["ShardIterator"]

    async def get_records(self, iterator: str, limit: int) -> Page:
        with _our_errors():
            answer = await self._client.get_records(
                StreamARN=self._stream_arn, ShardIterator=iterator, Limit=limit
            )
        records = [
            StreamRecord(
                sequence_number=record["SequenceNumber"],
                partition_key=record.get("PartitionKey"),
                data=record["Data"],
                arrived_at=record["ApproximateArrivalTimestamp"].astimezone(UTC),
            )
            for record in answer["Records"]
        ]
        return Page(records, answer.get("NextShardIterator"), answer.get("MillisBehindLatest", 0))


class S3FailureDestination:
    """The bucket that keeps failed batches; S3 notifies the queue."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, key: str, body: bytes) -> None:
        try:
            await self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json"
            )
        except (ClientError, BotoCoreError) as error:
            raise DestinationUnavailableError(f"s3://{self._bucket}/{key}: {error}") from error


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ExpiredIteratorException":
            raise IteratorExpiredError(str(error)) from error
        if code in _TRY_AGAIN or error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERROR:
            raise StreamUnavailableError(str(error)) from error
        raise
    except BotoCoreError as error:
        raise StreamUnavailableError(str(error)) from error
