"""What was redriven already: objects under `operations/redriven/` in the quarantine bucket.

Each is NDJSON, one line per mark: {"key": "aws/lambda/…"} for a failed batch;
{"record": "<shard>/<sequence number>/<sub-sequence>", "fixed": true} for a quarantined record. Either has the
"operation" that did it (`catalog/operations.py`); those of old releases lack it.
They are written after the work: what is interrupted in between is offered, and done, once more.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from catalog.connections import Connections
from catalog.objects import Identity, list_keys, read_objects
from catalog.operations import MARKS_PREFIX

_FLUSH_MARKS = 500
_FLUSH_SECONDS = 2.0
_KEY_TIME = "%Y-%m-%d/%H%M%S"


@dataclass(frozen=True, slots=True)
class Mark:
    """When something was redriven, to the second, and by which operation; None if that is not known."""

    at: datetime
    operation: str | None = None


@dataclass(slots=True)
class Marks:
    """The first mark of each redriven batch, by key, and of each record, by name: `records`, or `fixed` ones.

    `read`: the keys of the marks' own objects, which never change.
    """

    batches: dict[str, Mark] = field(default_factory=dict)
    records: dict[str, Mark] = field(default_factory=dict)
    fixed: dict[str, Mark] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    @property
    def of_records(self) -> Mapping[str, Mark]:
        """The marks of all records, fixed or as they were."""
        return self.records | self.fixed


def record_name(identity: Identity) -> str:
    """Return the name of a record in its mark."""
    shard, sequence_number, sub_sequence = identity
    return f"{shard}/{sequence_number}/{sub_sequence}"


def identity_named(name: str) -> Identity | None:
    """Return whose name that is; None if it is no record's."""
    match name.split("/"):
        case [shard, sequence_number, sub_sequence] if sub_sequence.removeprefix("-").isdecimal():
            return shard, sequence_number, int(sub_sequence)
    return None


async def read_marks(connections: Connections, known: Marks | None = None) -> Marks:
    """Return all marks. `known`: those that were read before, to which new ones are added."""
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    marks = Marks() if known is None else known
    listed = [found["Key"] async for found in list_keys(s3, bucket, MARKS_PREFIX)]
    async for key, body in read_objects(s3, bucket, [key for key in listed if key not in marks.read]):
        marks.read.add(key)
        if (at := _written_at(key)) is None:
            continue
        same: dict[str | None, Mark] = {}
        for line in body.splitlines():
            try:
                members = json.loads(line)
                operation = str(members["operation"]) if "operation" in members else None
                mark = same.setdefault(operation, Mark(at, operation))
                if "key" in members:
                    marks.batches.setdefault(str(members["key"]), mark)
                else:
                    which = marks.fixed if members.get("fixed") else marks.records
                    which.setdefault(str(members["record"]), mark)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # without its mark something is offered again, which does no harm
    return marks


class MarkWriter:
    """Writes marks of an operation, some at a time; `flush` before it is left."""

    def __init__(self, connections: Connections, operation: str | None = None) -> None:
        self._connections = connections
        self._operation = {} if operation is None else {"operation": operation}
        self._waiting: list[dict[str, Any]] = []
        self._flushed_at = asyncio.get_running_loop().time()

    async def add(self, *marks: dict[str, Any]) -> None:
        """Add marks; they are written when there are many, or the oldest waits for two seconds."""
        self._waiting += [mark | self._operation for mark in marks]
        waited = asyncio.get_running_loop().time() - self._flushed_at
        if len(self._waiting) >= _FLUSH_MARKS or waited >= _FLUSH_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Write those that wait."""
        self._flushed_at = asyncio.get_running_loop().time()
        marks, self._waiting = self._waiting, []
        if not marks:
            return
        s3 = await self._connections.aws("s3")
        await s3.put_object(
            Bucket=self._connections.environment.quarantine_bucket,
            Key=f"{MARKS_PREFIX}{datetime.now(UTC):{_KEY_TIME}}-{secrets.token_hex(8)}.ndjson",
            Body=_lines(marks),
            ContentType="application/x-ndjson",
            ChecksumAlgorithm="SHA256",
        )


def _written_at(key: str) -> datetime | None:
    """Return when marks were written: their key begins with the day and the time."""
    try:
        return datetime.strptime(key.removeprefix(MARKS_PREFIX)[:17], _KEY_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None  # of somebody else


def _lines(marks: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(mark, separators=(",", ":")).encode() + b"\n" for mark in marks)
