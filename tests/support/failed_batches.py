"""Failed batches as Lambda writes them, in a quarantine bucket."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.emulated_aws.event_source_mapping.payload import failure_key
from tests.support.events import ARRIVAL_TIME, SHARD, kinesis_event, kinesis_record
from tests.support.real_servers import Services

FAILED_AT = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)


def update_event(*positions: int, **fields: Any) -> dict[str, Any]:
    """Return an event of which each record puts its position in stock."""
    return kinesis_event(
        *(
            kinesis_record({"product_id": f"p{position}", "inventory": position, **fields}, position)
            for position in positions
        )
    )


async def put_failed_batch(
    services: Services,
    event: Mapping[str, Any],
    name: str,
    *,
    shard: str = SHARD,
    at: datetime = FAILED_AT,
    condition: str = "RetryAttemptsExhausted",
) -> str:
    """Put the invocation record of a batch; return its key."""
    document = {
        "requestContext": {"condition": condition, "approximateInvokeCount": 3},
        "version": "1.0",
        "timestamp": ARRIVAL_TIME,
        "KinesisBatchInfo": {"shardId": shard, "batchSize": len(event["Records"])},
        "payload": json.dumps(event),
    }
    key = failure_key("mapping", shard, at, name)
    await put_object(services, key, json.dumps(document).encode())
    return key


async def put_object(services: Services, key: str, body: bytes) -> None:
    """Put an object into the quarantine bucket, which tells the queue if it is a failed batch."""
    await services.account.s3.put_object(Bucket=services.account.quarantine_bucket, Key=key, Body=body)
