"""Failed batches: objects under `aws/lambda/` in the quarantine bucket, as Lambda writes them.

https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: the key is
`aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>`; the whole event is a text in `payload`.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from catalog.connections import Connections
from catalog.objects import list_keys, read_objects
from catalog.repair.invocation import MAX_PAYLOAD_BYTES
from catalog.times import ALWAYS, Period
from processor.errors import EventError
from processor.records import read_event

PREFIX = "aws/lambda/"
UNKNOWN = "unknown"
"""The condition of a batch whose object names none."""
# A payload is a text within JSON, in which each quotation mark takes two bytes.
_MAX_OBJECT_BYTES = 4 * MAX_PAYLOAD_BYTES
_KEY = re.compile(
    rf"{PREFIX}[^/]+/(?P<shard>[^/]+)/[0-9/]+/(?P<at>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9.]{{8}})-[^/]*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBatch:
    """A batch that Lambda gave up on; `condition`: why; `payload`: the event, as it was sent."""

    key: str
    failed_at: datetime
    condition: str
    shard: str
    records: int
    oldest: datetime
    newest: datetime
    payload: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Damaged:
    """An object, or a line of one, that cannot be redriven, and why."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which batches: failed in the period, of the shard, for one of the conditions (none: any)."""

    period: Period = ALWAYS
    shard: str | None = None
    conditions: frozenset[str] = frozenset()
    limit: int | None = None


@dataclass(slots=True)
class Survey:
    """What a redrive would send; `by_cause`: (shard, condition) → batches and records."""

    batches: int = 0
    records: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    by_cause: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    sample: list[FailedBatch] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)

    def add(self, batch: FailedBatch, *, sample: int) -> None:
        """Count a batch; keep the first ones as a sample."""
        self.batches += 1
        self.records += batch.records
        self.oldest = batch.oldest if self.oldest is None else min(self.oldest, batch.oldest)
        self.newest = batch.newest if self.newest is None else max(self.newest, batch.newest)
        counts = self.by_cause.setdefault((batch.shard, batch.condition), Counter())
        counts.update(batches=1, records=batch.records)
        if len(self.sample) < sample:
            self.sample.append(batch)


async def list_failed_batches(
    connections: Connections, selection: Selection, without: Container[str] = ()
) -> list[dict[str, Any]]:
    """Return what S3 lists of the objects that may be selected, by key: all that their names tell.

    `without`: keys to leave out, such as those of batches that were redriven.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    return [
        found
        async for found in list_keys(s3, bucket, PREFIX)
        if found["Key"] not in without
        and selection.period.has(_failed_at(found))
        and selection.shard in (None, _shard(found["Key"]))
    ]


async def read_failed_batches(
    connections: Connections, listed: list[dict[str, Any]], selection: Selection
) -> AsyncGenerator[FailedBatch | Damaged]:
    """Yield the selected batches of the listed objects, and the objects that are damaged."""
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    by_key = {found["Key"]: found for found in listed}
    for key, found in by_key.items():
        if found["Size"] > _MAX_OBJECT_BYTES:
            yield Damaged(key, f"it has {found['Size']:,} bytes, more than an event can have")
    readable = [key for key, found in by_key.items() if found["Size"] <= _MAX_OBJECT_BYTES]
    left = selection.limit
    bodies = read_objects(s3, bucket, readable)
    async for key, body in bodies:
        batch = read_failed_batch(by_key[key], body)
        if isinstance(batch, FailedBatch):
            if selection.conditions and batch.condition not in selection.conditions:
                continue
            if left is not None:
                left -= 1
        yield batch
        if left == 0:
            await bodies.aclose()
            return


def read_failed_batch(listed: dict[str, Any], body: bytes) -> FailedBatch | Damaged:
    """Return the batch in an object, or what is wrong with the object."""
    key = listed["Key"]
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Damaged(key, f"not JSON: {error}")
    if not isinstance(document, dict) or "payload" not in document:
        return Damaged(key, "no member payload: not an invocation record of Lambda with the whole event")
    payload = document["payload"]
    if not isinstance(payload, str):
        return Damaged(key, f"payload is not a text, but {type(payload).__name__}")
    try:
        if len(payload.encode()) > MAX_PAYLOAD_BYTES:
            return Damaged(key, f"payload has over {MAX_PAYLOAD_BYTES:,} bytes, which Lambda does not take")
        records = read_event(json.loads(payload))
    except EventError as error:
        return Damaged(key, f"payload: {error}")
    except (ValueError, RecursionError) as error:
        return Damaged(key, f"payload is not JSON: {error}")
    if not records:
        return Damaged(key, "payload has no records")
    arrivals = [record.arrival_ms for record in records]
    context = document.get("requestContext")
    condition = context.get("condition") if isinstance(context, dict) else None
    return FailedBatch(
        key=key,
        failed_at=_failed_at(listed),
        condition=condition if isinstance(condition, str) else UNKNOWN,
        shard=records[0].shard,
        records=len(records),
        oldest=datetime.fromtimestamp(min(arrivals) / 1000, UTC),
        newest=datetime.fromtimestamp(max(arrivals) / 1000, UTC),
        payload=payload,
    )


def _failed_at(listed: dict[str, Any]) -> datetime:
    """Return when the batch failed: by its name, or else when the object was written."""
    if matched := _KEY.fullmatch(listed["Key"]):
        try:
            return datetime.strptime(f"{matched['at']}+0000", "%Y-%m-%dT%H.%M.%S%z")
        except ValueError:
            pass
    written: datetime = listed["LastModified"]
    return written


def _shard(key: str) -> str | None:
    matched = _KEY.fullmatch(key)
    return matched["shard"] if matched else None
