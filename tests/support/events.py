"""Build what Lambda delivers: Kinesis events as JSON, and records as the processor reads them."""

import base64
import json
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from processor.records import Record

SHARD = "shardId-000000000006"
ARRIVAL_MS = 1_769_848_200_123
ARRIVAL_TIME = "2026-01-31T08:30:00.123Z"  # the same moment
FIRST_SEQUENCE_NUMBER = 49590338271490256608559692538361571095921575989136588898


def sequence(position: int) -> str:
    """Return the sequence number of the record at this position in the shard."""
    return str(FIRST_SEQUENCE_NUMBER + position)


def as_bytes(data: bytes | str | Mapping[str, Any]) -> bytes:
    """Return data as a producer would put it: bytes unchanged, text in UTF-8, an object as compact JSON."""
    if isinstance(data, bytes):
        return data
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return text.encode()


def record(
    data: bytes | str | Mapping[str, Any],
    position: int = 0,
    *,
    shard: str = SHARD,
    sub_sequence: int = 0,
    partition_key: str | None = "partition-key",
    arrival_ms: int = ARRIVAL_MS,
) -> Record:
    """Return a record as `read_event` or `expand` make it."""
    return Record(shard, sequence(position), sub_sequence, partition_key, arrival_ms, as_bytes(data))


def kinesis_record(
    data: bytes | str | Mapping[str, Any],
    position: int = 0,
    *,
    shard: str = SHARD,
    partition_key: str | None = "partition-key",
    arrival_seconds: float = ARRIVAL_MS / 1000,
) -> dict[str, Any]:
    """Return one record of a Lambda event.

    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
    """
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": sequence(position),
            "data": base64.b64encode(as_bytes(data)).decode(),
            "approximateArrivalTimestamp": arrival_seconds,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence(position)}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/inventory-processor-dev",
        "awsRegion": "us-east-2",
        "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/inventory-updates-dev",
    }


def kinesis_event(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Lambda event with these records, as parsed from JSON."""
    event: dict[str, Any] = json.loads(json.dumps({"Records": records}))
    return event


def aggregate(
    user_records: Iterable[tuple[str | bytes, bytes]], explicit_hash_key: str | None = None
) -> bytes:
    """Return one Kinesis record with these (partition key, data) pairs, packed by AWS's aggregator.

    It stores a partition key given as bytes once, and one given as text once per record.
    """
    aggregator = _aggregator()
    for partition_key, data in user_records:
        full = aggregator.add_user_record(partition_key, data, explicit_hash_key)
        assert full is None, "more than one Kinesis record holds"
    packed: bytes = aggregator.clear_and_get().get_contents()[2]
    return packed


def _aggregator() -> Any:
    # The module adds its directory to sys.path to find its generated code, and may warn.
    path = list(sys.path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from aws_kinesis_agg.aggregator import RecordAggregator
    finally:
        sys.path[:] = path
    return RecordAggregator()
