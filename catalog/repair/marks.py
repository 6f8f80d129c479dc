"""What was redriven already: objects under `operations/redriven/` in the quarantine bucket.

Each is NDJSON, one line per mark: {"key": "aws/lambda/…"} for a failed batch;
{"record": "<shard>/<sequence number>/<sub-sequence>", "fixed": true} for a quarantined record.
They are written after the work: what is interrupted in between is offered, and done, once more.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from catalog.connections import Connections
from catalog.objects import Identity, list_keys, read_objects
from catalog.operations import MARKS_PREFIX

_FLUSH_MARKS = 500
_FLUSH_SECONDS = 2.0
_KEY_TIME = "%Y-%m-%d/%H%M%S"


@dataclass(slots=True)
class Marks:
    """The keys of redriven batches; the identities of redriven records, and of those that were fixed.

    `at`: when, by the records' names. `read`: the keys of the marks' own objects, which never change.
    """

    batches: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    at: dict[str, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)


def record_name(identity: Identity) -> str:
    """Return the name of a record in its mark."""
    shard, sequence_number, sub_sequence = identity
    return f"{shard}/{sequence_number}/{sub_sequence}"


async def read_marks(
    connections: Connections, known: Marks | None = None, *, until: datetime | None = None
) -> Marks:
    """Return all marks, or those written until a moment, to the second.

    `known`: those that were read before, to which new ones are added.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    marks = Marks() if known is None else known
    # A key's time is followed by a hyphen, which sorts before the tilde.
    last = f"{MARKS_PREFIX}{until:{_KEY_TIME}}~" if until else f"{MARKS_PREFIX}~"
    listed = [found["Key"] async for found in list_keys(s3, bucket, MARKS_PREFIX) if found["Key"] < last]
    async for key, body in read_objects(s3, bucket, [key for key in listed if key not in marks.read]):
        marks.read.add(key)
        at = _written_at(key)
        for line in body.splitlines():
            try:
                mark = json.loads(line)
                if "key" in mark:
                    marks.batches.add(str(mark["key"]))
                else:
                    name = str(mark["record"])
                    (marks.fixed if mark.get("fixed") else marks.records).add(name)
                    marks.at[name] = at
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # without its mark something is offered again, which does no harm
    return marks


class MarkWriter:
    """Writes marks, some at a time; `flush` before it is left."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._waiting: list[dict[str, Any]] = []
        self._flushed_at = asyncio.get_running_loop().time()

    async def add(self, *marks: dict[str, Any]) -> None:
        """Add marks; they are written when there are many, or the oldest waits for two seconds."""
        self._waiting += marks
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


def _written_at(key: str) -> str:
    """Return when marks were written: their key begins with the day and the time."""
    day, time = key.removeprefix(MARKS_PREFIX)[:17].split("/")
    return f"{day}T{time[:2]}:{time[2:4]}:{time[4:]}Z"


def _lines(marks: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(mark, separators=(",", ":")).encode() + b"\n" for mark in marks)
