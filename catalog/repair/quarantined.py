"""Quarantined records: the lines under `quarantine/`, one record each, found by who, why and when.

A record may be there more than once: delivered again, or rejected again after a redrive. Its newest line
counts. The identities of two days are in memory at a time, and sixteen objects.
"""

import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from catalog.connections import Connections
from catalog.objects import Identity, ObjectName, list_keys, parse_key, read_objects
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import record_name
from catalog.times import ALWAYS, Period
from processor.aggregation import MAGIC
from processor.errors import EventError
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record
from processor.redrive import read_redriven
from processor.s3_objects import QUARANTINE_PREFIX

# An object is of the day of its first record. The last one of its batch may have arrived later, at most by
# as long as Lambda may wait with a batch: a stream keeps records for seven days.
_BATCH_DAYS = 7
# A slice of a batch has at most 16 MiB of lines, estimated.
_MAX_OBJECT_BYTES = 64 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = date(1970, 1, 1)
_REFUSED = Reason.CATALOG_REFUSED.encode()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A rejected record; `key`, `line`: where it is; `line` counts from 1."""

    record: Record = field(repr=False)
    supplier: str | None
    reason: str
    message: str
    key: str
    line: int
    written_at: datetime

    @property
    def identity(self) -> Identity:
        """The identity with which it was quarantined."""
        return self.record[:3]

    @property
    def id(self) -> str:
        """A short name for the command line, made of the identity."""
        return short_id(self.identity)

    @property
    def arrived_at(self) -> datetime:
        """When Kinesis got it."""
        return _EPOCH + timedelta(milliseconds=self.record.arrival_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records: by reasons, supplier, arrival, shard, a text in their bytes, ids; None or empty: any."""

    reasons: frozenset[str] = frozenset()
    supplier: str | None = None
    period: Period = ALWAYS
    shard: str | None = None
    text: str | None = None
    ids: frozenset[str] = frozenset()
    sequence_number: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it lets everything through."""
        return self == Filter()

    def has(self, found: Quarantined) -> bool:
        """Return whether a record is one of these."""
        return (
            (not self.reasons or found.reason in self.reasons)
            and (self.supplier is None or (found.supplier or "unknown") == self.supplier)
            and self.period.has(found.arrived_at)
            and (self.text is None or _holds(found.record.data, self.text))
            and (not self.ids or found.id in self.ids)
            and self.sequence_number in (None, int(found.record.sequence_number))
        )

    def may_have(self, name: ObjectName) -> bool:
        """Return whether an object may hold one of these."""
        return self.shard in (None, name.shard) and (
            self.sequence_number is None or name.first <= self.sequence_number <= name.last
        )


def short_id(identity: Identity) -> str:
    """Return the ten digits by which commands name a record."""
    return named_id(record_name(identity))


def named_id(name: str) -> str:
    """Return the same for the name that a record has in its mark."""
    return hashlib.sha256(name.encode()).hexdigest()[:10]


async def read_quarantined(
    connections: Connections,
    wanted: Filter,
    *,
    without: Container[str] = (),
    every_line: bool = False,
) -> AsyncGenerator[Quarantined | Damaged]:
    """Yield the newest line of each record, day by day, and what is damaged.

    `without`: names of records to leave out, as marks have them. `every_line`: also older lines of a record.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    before: set[int] = set()
    today: set[int] = set()
    async for listed in _by_day(s3, bucket, wanted):
        if isinstance(listed, Damaged):
            yield listed
            continue
        before, today = today, set()
        bodies = read_objects(s3, bucket, list(listed))
        async for key, body in bodies:
            for number, line in enumerate(body.split(b"\n"), 1):
                if not line:
                    continue
                found = read_line(line, key, number, listed[key])
                if isinstance(found, Quarantined):
                    name = record_name(found.identity)
                    if not every_line and (hash(name) in today or hash(name) in before):
                        continue
                    today.add(hash(name))
                    if name in without or not wanted.has(found):
                        continue
                yield found


async def refused_records(connections: Connections, since: datetime | None) -> set[str]:
    """Return the names of the records that the table refused; the archive has them as accepted.

    `since`: those that arrived from then on, and some others; None: all. Damaged lines are left out, which
    `quarantine list` counts.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    names: set[str] = set()
    async for listed in _by_day(s3, bucket, Filter(period=Period(since))):
        if isinstance(listed, Damaged):
            continue
        async for key, body in read_objects(s3, bucket, list(listed)):
            # Nearly all rejections have another reason.
            if _REFUSED not in body:
                continue
            for number, line in enumerate(body.split(b"\n"), 1):
                found = read_line(line, key, number, listed[key]) if _REFUSED in line else None
                if isinstance(found, Quarantined) and found.reason == Reason.CATALOG_REFUSED:
                    names.add(record_name(found.identity))
    return names


def read_line(line: bytes, key: str, number: int, written_at: datetime) -> Quarantined | Damaged:
    """Return the record of a line, or what is wrong with the line."""
    place = f"{key} line {number}"
    try:
        members = json.loads(line)
        arrived = datetime.fromisoformat(members["arrival_time"])
        encoded, sub_sequence = members["data_base64"], members["sub_sequence"]
        reason, message, supplier = members["reason"], members["message"], members.get("supplier")
        data = base64.b64decode(encoded, validate=True)
        # With the identity under which it is sent again; an aggregate that was not unpacked had 0.
        record = read_redriven(
            {
                "shard": members["shard"],
                "sequence_number": members["sequence_number"],
                "sub_sequence": WHOLE_AGGREGATE if data.startswith(MAGIC) else sub_sequence,
                "partition_key": members["partition_key"],
                "arrival_ms": (arrived - _EPOCH) // timedelta(milliseconds=1),
                "data_base64": encoded,
            },
            "the record",
        )
    except (EventError, ValueError, RecursionError, OverflowError) as error:
        return Damaged(place, str(error))
    except KeyError as error:
        return Damaged(place, f"it has no member {error}")
    except TypeError as error:
        return Damaged(place, f"a member has another type: {error}")
    if not (type(sub_sequence) is int and isinstance(reason, str) and isinstance(message, str)):
        return Damaged(place, "sub_sequence is not a number, or reason or message is not a text")
    if not isinstance(supplier, str | None):
        return Damaged(place, "supplier is neither a text nor null")
    record = record._replace(sub_sequence=sub_sequence)
    return Quarantined(record, supplier, reason, message, key, number, written_at)


async def _by_day(s3: Any, bucket: str, wanted: Filter) -> AsyncGenerator[dict[str, datetime] | Damaged]:
    """Yield each day's objects that may hold what is wanted: key → when it was written, newest first."""
    after, until = _beginning(wanted.period.since), wanted.period.until
    day: date | None = None
    objects: dict[str, datetime] = {}
    async for found in list_keys(s3, bucket, QUARANTINE_PREFIX, after=after):
        name = parse_key(found["Key"])
        if name is None:
            yield Damaged(found["Key"], "its name is not that of an object of quarantine")
            continue
        if until is not None and name.day > until.date():
            break
        if found["Size"] > _MAX_OBJECT_BYTES:
            yield Damaged(found["Key"], f"it has {found['Size']:,} bytes, more than the processor writes")
            continue
        if name.day != day:
            if objects:
                yield newest_first(objects)
            day, objects = name.day, {}
        if wanted.may_have(name):
            objects[found["Key"]] = found["LastModified"]
    if objects:
        yield newest_first(objects)


def newest_first(objects: dict[str, datetime]) -> dict[str, datetime]:
    """Return the objects by when they were written."""
    return dict(sorted(objects.items(), key=lambda item: item[1], reverse=True))


def _beginning(since: datetime | None) -> str:
    """Return after which key the objects are that may hold records that arrived since then."""
    if since is None or since.date() < _EARLIEST:
        return ""
    return f"{QUARANTINE_PREFIX}dt={since.date() - timedelta(days=_BATCH_DAYS)}"


def _holds(data: bytes, text: str) -> bool:
    # As it is, or as JSON escapes it.
    return text.encode("utf-8", "surrogatepass") in data or json.dumps(text)[1:-1].encode() in data
