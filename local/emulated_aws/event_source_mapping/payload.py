"""The JSON that Lambda sends: a function's event, and the invocation record of a discarded batch."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from local.emulated_aws.event_source_mapping.ports import StreamRecord
from local.emulated_aws.event_source_mapping.settings import MappingSettings

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
"""Synchronous payload quota (Lambda quotas, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html);
base64 and metadata count (https://docs.aws.amazon.com/streams/latest/dev/large-records.html)."""

ENVELOPE_BYTES = len(b'{"Records":[]}') - 1
"""The size of an event without its records. Each record counts with a comma, which the last one lacks."""

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


def event_of(shard_id: str, records: Sequence[StreamRecord], settings: MappingSettings) -> dict[str, object]:
    """Return a batch's event.

    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
    """
    return {"Records": [_record_event(shard_id, record, settings) for record in records]}


def record_event_bytes(shard_id: str, record: StreamRecord, settings: MappingSettings) -> int:
    """Return how many bytes of the payload a record takes, with its comma and its base64."""
    without_data = StreamRecord(record.sequence_number, record.partition_key, b"", record.arrived_at)
    fields = _json(_record_event(shard_id, without_data, settings))
    return len(fields) + 4 * ((len(record.data) + 2) // 3) + 1


def _record_event(shard_id: str, record: StreamRecord, settings: MappingSettings) -> dict[str, object]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record.partition_key,
            "sequenceNumber": record.sequence_number,
            "data": base64.b64encode(record.data).decode("ascii"),
            "approximateArrivalTimestamp": round(record.arrived_at.timestamp(), 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record.sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": settings.role_arn,
        "awsRegion": settings.stream_arn.split(":")[3],
        "eventSourceARN": settings.stream_arn,
    }


def failure_key(mapping_uuid: str, shard_id: str, at: datetime, random_uuid: str) -> str:
    """Return the object key of an invocation record.

    The naming convention is at the end of
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html.
    """
    at = at.astimezone(UTC)
    return f"aws/lambda/{mapping_uuid}/{shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{random_uuid}"


def failure_body(
    shard_id: str,
    records: Sequence[StreamRecord],
    settings: MappingSettings,
    *,
    condition: Condition,
    invocations: int,
    answered: bool,
    function_error: str | None,
    request_id: str,
    at: datetime,
) -> bytes:
    """Return the invocation record of a discarded batch, with the whole event in `payload`.

    Fields: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html. What that page
    leaves open follows invocation records captured from AWS (LocalStack's AWS-validated snapshots,
    test_lambda_integration_kinesis, November 2025): with the condition RecordAgeExceeded there is no
    responseContext, and one invocation is counted where there was none; functionError is null if the function
    returned a response that reports failures. `answered`: the last of its retries was an invocation.
    """
    first, last = records[0], records[-1]
    document: dict[str, object] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": settings.function_arn,
            "condition": condition,
            "approximateInvokeCount": max(invocations, 1),
        }
    }
    if answered:
        document["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": function_error,
        }
    document |= {
        "version": "1.0",
        "timestamp": _timestamp(at),
        "KinesisBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": _timestamp(first.arrived_at),
            "approximateArrivalOfLastRecord": _timestamp(last.arrived_at),
            "batchSize": len(records),
            "streamArn": settings.stream_arn,
        },
        "payload": _json(event_of(shard_id, records, settings)).decode(),
    }
    return _json(document)


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
