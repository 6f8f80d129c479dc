"""Lines of the archive, read one by one; what is damaged is noted and left out, never a crash."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from catalog.archive import lines
from catalog.objects import list_keys, parse_key, read_objects
from catalog.versions import Version
from processor.records import Record
from processor.s3_objects import ACCEPTED, ARCHIVE_PREFIX

_CHUNK = 1_000
# A batch may begin with records that arrived before its last ones: as old as the stream keeps any.
MOST_DAYS_IN_A_BATCH = 8


class Line(NamedTuple):
    """One line. `verdict`: the processor's when it archived the record, today's in lines of old releases."""

    key: str
    number: int
    record: Record
    verdict: str


@dataclass(slots=True)
class Damage:
    """What could not be read: how many, and the first few places with the reason."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def note(self, place: str, reason: object) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < 5:
            self.first.append(f"{place}: {reason}")


def read_line(key: str, number: int, line: bytes, damage: Damage) -> Line | None:
    """Return what a line says; None if it is not a line of the archive, which is noted."""
    try:
        return Line(key, number, *lines.read_line(line))
    except lines.DamageError as error:
        damage.note(f"{key} line {number}", error)
        return None


def numbered(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line of an object and its number, from 1."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if line:
            yield number, line


async def keys_of_days(
    s3: Any, bucket: str, prefix: str, begin: date | None, end: date | None
) -> AsyncIterator[dict[str, datetime]]:
    """Yield the objects that may hold records that arrived from `begin` to `end`, in chunks.

    Each chunk: key → when it was written, ordered by key.
    """
    earliest = begin and begin - timedelta(days=MOST_DAYS_IN_A_BATCH)
    after = f"{prefix}dt={earliest.isoformat()}" if earliest else ""
    chunk: dict[str, datetime] = {}
    async for found in list_keys(s3, bucket, prefix, after=after):
        name = parse_key(found["Key"])
        if name is None:
            continue
        if end is not None and name.day > end:
            break
        chunk[name.key] = found["LastModified"]
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = {}
    if chunk:
        yield chunk


class Located(NamedTuple):
    """A record's line; `written_at`: when its object was; `was_rejected`: there is a rejected line, too."""

    line: Line
    written_at: datetime
    was_rejected: bool


async def find_line(s3: Any, bucket: str, wanted: Version, damage: Damage) -> Located | None:
    """Return the archive's line of a version's record, the accepted one if there is one; else None.

    Its object is of the day on which the record arrived or, where its batch began earlier, of one before.
    """
    number = int(wanted.sequence_number)
    rejected: Located | None = None
    for days_before in range(MOST_DAYS_IN_A_BATCH + 1):
        day = wanted.day - timedelta(days=days_before)
        prefix = f"{ARCHIVE_PREFIX}dt={day.isoformat()}/{wanted.shard}/"
        written = {found["Key"]: found["LastModified"] async for found in list_keys(s3, bucket, prefix)}
        names = map(parse_key, written)
        keys = [name.key for name in names if name is not None and name.first <= number <= name.last]
        async for key, body in read_objects(s3, bucket, keys, on_damage=damage.note):
            for position, text in numbered(body):
                if wanted.sequence_number.encode() not in text:
                    continue
                line = read_line(key, position, text, damage)
                if line is None or line.record[:3] != wanted.identity:
                    continue
                if line.verdict == ACCEPTED:
                    return Located(line, written[key], rejected is not None)
                rejected = Located(line, written[key], was_rejected=True)
    return rejected
