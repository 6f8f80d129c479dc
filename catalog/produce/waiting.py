"""Waits until the pipeline has processed what was sent: each record is in the catalog or in quarantine."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from catalog.connections import Connections
from catalog.objects import days, list_keys, parse_key, parse_line, read_objects
from catalog.produce.sending import Sent
from catalog.versions import parse_version
from processor.product import REGISTERS
from processor.records import Record
from processor.s3_objects import ARCHIVE_PREFIX, QUARANTINE_PREFIX
from processor.slices import decode_all
from processor.updates import Rejection, Update

MOST_RECORDS = 100_000
"""Only the last so many are waited for: those before them in a shard were processed before."""
WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2
_ROWS = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSIONS = ", ".join(f"{name}_version" for name in REGISTERS)


@dataclass(slots=True)
class Outcome:
    """What became of the records: `current`: in the catalog; `replaced`: by later ones that were sent, too.

    `superseded`: the catalog has newer values of others. `quarantined`: by reason. `unprocessed`: not within
    the time.
    """

    current: int = 0
    replaced: int = 0
    superseded: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    unprocessed: int = 0


class Awaited:
    """The records that were sent last, and what is known of each."""

    def __init__(self) -> None:
        self.begun = datetime.now(UTC).date()
        self._sent: deque[Sent] = deque(maxlen=MOST_RECORDS)

    def add(self, sent: Iterable[Sent]) -> None:
        """Add records that the stream took."""
        self._sent.extend(sent)

    async def outcome(self, connections: Connections, *, within_seconds: float = WAIT_SECONDS) -> Outcome:
        """Return what became of the records, once all are processed or the time is up."""
        environment = connections.environment
        archive = _Store(connections, environment.archive_bucket, ARCHIVE_PREFIX, self.begun)
        quarantine = _Store(connections, environment.quarantine_bucket, QUARANTINE_PREFIX, self.begun)
        outcome = Outcome()
        sent = {(each.shard, int(each.sequence_number)) for each in self._sent}
        unseen, rejected = set(sent), set[tuple[str, int]]()
        quarantined: dict[tuple[str, int], str] = {}
        updates: list[Update] = []
        ends = time.monotonic() + within_seconds
        while True:
            async for members in archive.new_lines(unseen):
                unseen.discard(_identity(members))
                (judged,) = decode_all([_record(members)], [])
                if isinstance(judged, Rejection):
                    rejected.add(_identity(members))
                else:
                    updates.append(judged)
            # An object there may come before that of the archive; what the table refuses, after it.
            async for members in quarantine.new_lines(sent if unseen or rejected or updates else set()):
                quarantined[_identity(members)] = members["reason"]
            rejected -= quarantined.keys()
            updates = [update for update in updates if _place(update) not in quarantined]
            updates = await self._settle(connections, updates, sent, outcome)
            outcome.quarantined = Counter(quarantined.values())
            outcome.unprocessed = len(unseen) + len(rejected) + len(updates)
            if not outcome.unprocessed or time.monotonic() > ends:
                return outcome
            await asyncio.sleep(_POLL_SECONDS)

    async def _settle(
        self,
        connections: Connections,
        updates: Sequence[Update],
        sent: set[tuple[str, int]],
        outcome: Outcome,
    ) -> list[Update]:
        """Count the updates that the catalog has, or has newer values than; return the others."""
        if not updates:
            return []
        waiting: list[Update] = []
        pool = await connections.database()
        for start in range(0, len(updates), _ROWS):
            chunk = updates[start : start + _ROWS]
            rows = await pool.fetch(
                f"SELECT product_id, {_VERSIONS} FROM products WHERE product_id = ANY($1)",  # noqa: S608 our own
                list({update.product_id for update in chunk}),
            )
            found = {row["product_id"]: row for row in rows}
            for update in chunk:
                row = found.get(update.product_id)
                versions = [(row[f"{name}_version"] if row else None) or "" for name in update.values]
                if min(versions) < update.version:
                    waiting.append(update)
                elif update.version in versions:
                    outcome.current += 1
                elif all(_is_of(version, sent) for version in versions):
                    outcome.replaced += 1
                else:
                    outcome.superseded += 1
        return waiting


class _Store:
    """Lines of a bucket's objects that were not read before."""

    def __init__(self, connections: Connections, bucket: str, prefix: str, begun: date) -> None:
        self._connections = connections
        self._bucket = bucket
        self._prefix = prefix
        self._begun = begun
        self._read: set[str] = set()

    async def new_lines(self, wanted: set[tuple[str, int]]) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of wanted records in objects that are new."""
        if not wanted:
            return
        s3 = await self._connections.aws("s3")
        lowest: dict[str, int] = {}
        for shard, number in wanted:
            lowest[shard] = min(number, lowest.get(shard, number))
        keys = []
        for day in days(self._begun, datetime.now(UTC).date()):
            async for listed in list_keys(s3, self._bucket, f"{self._prefix}dt={day.isoformat()}/"):
                name = parse_key(listed["Key"])
                if (
                    name is None
                    or name.key in self._read
                    or name.last < lowest.get(name.shard, name.last + 1)
                ):
                    continue
                keys.append(name.key)
        async for key, body in read_objects(s3, self._bucket, keys):
            self._read.add(key)
            for members in _lines(body):
                if _identity(members) in wanted:
                    yield members


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.split(b"\n"):
        if line:
            yield parse_line(line)


def _place(update: Update) -> tuple[str, int]:
    return update.record.shard, int(update.record.sequence_number)


def _is_of(version: str, sent: set[tuple[str, int]]) -> bool:
    """Return whether a record that was sent wrote this version."""
    parsed = parse_version(version)
    return parsed is not None and (parsed.shard, int(parsed.sequence_number)) in sent


def _identity(members: dict[str, Any]) -> tuple[str, int]:
    return members["shard"], int(members["sequence_number"])


def _record(members: dict[str, Any]) -> Record:
    arrived = datetime.fromisoformat(members["arrival_time"]) - _EPOCH
    return Record(
        members["shard"],
        members["sequence_number"],
        members["sub_sequence"],
        members["partition_key"],
        arrived // timedelta(milliseconds=1),
        members["data"],
    )
