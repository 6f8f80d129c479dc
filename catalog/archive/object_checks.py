"""The checks of one object: whether it can be read, and whether its key says what it holds."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.archive.findings import DayOfShard, Verification
from catalog.archive.lines import (
    MOST_DAMAGED_LINES,
    SUB_SEQUENCES,
    ArchivedLine,
    DamageError,
    Unpacked,
    read_line,
    shorten,
)
from catalog.objects import ObjectName, identity_of, parse_line
from processor.records import Record
from processor.s3_objects import ACCEPTED

_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as S3 lists it; `number`: by which the rows in the database name it."""

    number: int
    name: ObjectName
    size: int
    written_ms: int


def check_object(listed: Listed, body: bytes, result: Verification) -> Iterator[tuple[int, ArchivedLine]]:
    """Yield the number and content of each line that can be read; add what is wrong to the result."""
    name, where = listed.name, result.of(listed.name.day, listed.name.shard)
    check = _KeyCheck(name, result, where)
    unpacked, number, damaged = Unpacked(body), 0, 0
    try:
        for number, line in enumerate(unpacked, 1):
            where.records += 1
            try:
                archived = read_line(line)
            except DamageError as error:
                damaged += 1
                result.add("damage", name.key, number, str(error), where)
                if damaged == MOST_DAMAGED_LINES:
                    raise DamageError("so many lines are damaged that the rest was not read") from None
                continue
            where.rejected += archived.verdict != ACCEPTED
            check.line(number, archived.record)
            yield number, archived
    except DamageError as error:
        damaged += 1
        result.add("damage", name.key, number or None, str(error), where)
    check.end(number, unpacked.digest, damaged=damaged > 0)


class _KeyCheck:
    """Compares an object's lines with its key: shard, first and last, day, hash; and their order."""

    def __init__(self, name: ObjectName, result: Verification, where: DayOfShard) -> None:
        self._name, self._result, self._where = name, result, where
        self._first: Record | None = None
        self._last: Record | None = None

    def line(self, number: int, record: Record) -> None:
        if record.shard != self._name.shard:
            self._add(
                "key", number, f"the record is of {shorten(record.shard)}, the object of {self._name.shard}"
            )
        if self._last is not None and _position(record) <= _position(self._last):
            self._add("order", number, f"{_identity(record)} does not come after {_identity(self._last)}")
        self._first, self._last = self._first or record, record

    def end(self, lines: int, digest: str, *, damaged: bool) -> None:
        """Compare what only the whole object shows, unless part of it could not be read."""
        first, last = self._first, self._last
        if lines == 0 and not damaged:
            self._add("damage", None, "it holds no record")
        if damaged or first is None or last is None:
            return
        if digest != self._name.digest:
            self._add("key", None, f"the hash of its lines is {digest}, its key says {self._name.digest}")
        if (int(first.sequence_number), int(last.sequence_number)) != (self._name.first, self._name.last):
            held = f"{first.sequence_number} to {last.sequence_number}"
            self._add("key", None, f"its records are {held}, its key says other ones")
        day = datetime.fromtimestamp(first.arrival_ms / 1000, UTC).date()
        if day != self._name.day:
            self._add("key", 1, f"its first record arrived on {day}, its key says {self._name.day}")

    def _add(self, kind: str, number: int | None, message: str) -> None:
        self._result.add(kind, self._name.key, number, message, self._where)


def line_row(listed: Listed, number: int, line: ArchivedLine) -> bytes:
    """Return a line's row of the table `lines`."""
    record = line.record
    return (
        f"{record.shard},{record.sequence_number},{record.sub_sequence},{content_of(record)},"
        f"{int(line.verdict == ACCEPTED)},{listed.written_ms},{listed.number},{number}"
    ).encode()


def quarantined_rows(name: ObjectName, number: int, body: bytes, result: Verification) -> Iterator[bytes]:
    """Yield the row of `quarantined` of each line of a quarantine object; add what is wrong to the result."""
    digest = hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]
    if digest != name.digest:
        result.add("key", name.key, None, f"the hash of its lines is {digest}, its key says {name.digest}")
    for position, line in enumerate(body.splitlines(), 1):
        try:
            members = parse_line(line)
            shard, sequence_number, sub = identity_of(members)
            sequence_number, sub_sequence = str(int(sequence_number)), SUB_SEQUENCES.index(int(sub)) - 1
            arrival_ms = round(datetime.fromisoformat(members["arrival_time"]).timestamp() * 1000)
            key = members["partition_key"]
            record = Record(shard, sequence_number, sub_sequence, key, arrival_ms, members["data"])
            content = content_of(record)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            result.add("damage", name.key, position, f"it is not a line of quarantine: {error!r:.80}")
            continue
        if shard != name.shard:
            result.add("key", name.key, position, f"the record is of {shorten(shard)}")
            continue
        row = (shard, sequence_number, sub_sequence, content, number, position)
        yield ",".join(map(str, row)).encode()


def content_of(record: Record) -> int:
    """Return a number for what must be the same whenever a record is archived: key, arrival, bytes."""
    text = json.dumps([record.partition_key, record.arrival_ms]).encode()
    digest = hashlib.blake2b(text + record.data, digest_size=8).digest()
    return int.from_bytes(digest, "big")


def overlaps(name: ObjectName, ranges: dict[str, tuple[int, int]]) -> bool:
    """Return whether an object may hold one of the sequence numbers."""
    first, last = ranges.get(name.shard, (1, 0))
    return name.first <= last and first <= name.last


def _position(record: Record) -> tuple[int, int]:
    return int(record.sequence_number), record.sub_sequence


def _identity(record: Record) -> str:
    return f"{record.sequence_number}/{record.sub_sequence}"
