"""The archive without what the catalog does not have, or did not have at a moment.

That is what the table refused, and records that had arrived but were accepted later, when an operator fixed
them or sent them again, or Lambda did (`catalog/repair/acceptance.py`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.archive_lines import keys_of_days
from catalog.connections import Connections
from catalog.objects import Foreign, Identity, parse_key
from catalog.repair.acceptance import FROM_ARRIVAL, NOT_YET, Acceptance
from catalog.repair.marks import Marks, identity_named, read_marks
from catalog.repair.quarantined import refused_records, rejected_records
from catalog.replay.sources import Found, Source
from processor.aggregation import MAGIC
from processor.archive_replay import Selection
from processor.records import WHOLE_AGGREGATE
from processor.s3_objects import ARCHIVE_PREFIX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Records that count as not accepted, by how their lines begin.

    `lines`: wherever they are. `late_lines`: those that were rejected before, in `late_objects`, which were
    written after the moment: their names without folders. `later`: how many operators sent again after the
    moment; `refused`: how many the table refused; `batches`: how many failed batches were redriven later.
    """

    lines: frozenset[bytes] = frozenset()
    late_lines: frozenset[bytes] = frozenset()
    late_objects: frozenset[str] = frozenset()
    later: int = 0
    refused: int = 0
    batches: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether every record counts."""
        return not (self.lines or self.late_lines)


async def left_out(connections: Connections, moment: datetime | None, selection: Selection) -> LeftOut:
    """Return which of the selected records the catalog did not have at a moment; None: does not have now."""
    begin = _EPOCH + timedelta(milliseconds=selection.begin_ms) if selection.begin_ms else None
    refused = await refused_records(connections, begin)
    if moment is None and not refused:
        return LeftOut()
    marks = await read_marks(connections)
    acceptance = Acceptance(marks, refused)
    until = NOT_YET if moment is None else moment
    unknown = set[Identity]()
    waiting = 0
    for identity in filter(None, map(identity_named, refused)):
        since = acceptance.since(identity, FROM_ARRIVAL)
        if since == NOT_YET or since > until:
            unknown.add(identity)
            waiting += acceptance.mark(identity) is None
    if moment is None:
        return LeftOut(lines=_beginnings(unknown), refused=waiting)
    rejected = await _rejected(connections, marks, begin, moment) - set(map(identity_named, refused))
    late, of_late = await _late(connections, rejected, begin, moment)
    return LeftOut(
        lines=_beginnings(unknown),
        late_lines=_beginnings(of_late),
        late_objects=late,
        later=sum(mark.at > moment for mark in marks.of_records.values()),
        refused=waiting,
        batches=sum(mark.at > moment for mark in marks.batches.values()),
    )


async def _rejected(
    connections: Connections, marks: Marks, begin: datetime | None, moment: datetime
) -> set[Identity]:
    """Return the identities of what was rejected, by quarantine and, longer than it keeps them, by marks."""
    found = set(filter(None, map(identity_named, marks.of_records)))
    async for one in rejected_records(connections, begin, moment):
        is_whole = one.record.data.startswith(MAGIC)
        found.add((*one.identity[:2], WHOLE_AGGREGATE) if is_whole else one.identity)
    return found


async def _late(
    connections: Connections, rejected: Collection[Identity], begin: datetime | None, moment: datetime
) -> tuple[frozenset[str], set[Identity]]:
    """Return the names of objects written after the moment, and which of the records may be in them."""
    by_shard: dict[str, list[tuple[int, Identity]]] = {}
    for identity in rejected:
        by_shard.setdefault(identity[0], []).append((int(identity[1]), identity))
    names, held = set[str](), set[Identity]()
    if not by_shard:
        return frozenset(), held
    for each in by_shard.values():
        each.sort()
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    async for written in keys_of_days(s3, bucket, ARCHIVE_PREFIX, begin and begin.date(), moment.date()):
        for name in map(parse_key, (key for key, at in written.items() if at > moment)):
            if name is None:
                continue
            numbers = by_shard.get(name.shard, [])
            first = bisect_left(numbers, name.first, key=_number)
            last = bisect_right(numbers, name.last, key=_number)
            if first < last:
                names.add(name.key.rpartition("/")[2])
                held.update(identity for _, identity in numbers[first:last])
    return frozenset(names), held


class SourceWithout:
    """A source that leaves out the lines of some records."""

    def __init__(self, source: Source, without: LeftOut) -> None:
        self._source = source
        self._without = without

    @property
    def foreign(self) -> Foreign:
        """What `found` came upon beside the archive's objects."""
        return self._source.foreign

    def found(self, selection: Selection, *, after: str = "") -> AsyncIterator[Found]:
        """Return an iterator over the objects that may hold lines of the selection, after a key."""
        return self._source.found(selection, after=after)

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        """Yield the object's lines, some at a time. Raises: DamagedObjectError."""
        without = self._without
        is_late = key.rpartition("/")[2] in without.late_objects
        left_out = without.lines | without.late_lines if is_late else without.lines
        async for lines in self._source.lines(key):
            yield [line for line in lines if not _is_of(left_out, line)] if left_out else lines


def _is_of(left_out: frozenset[bytes], line: bytes) -> bool:
    head = line.partition(b',"partition_key":')[0]
    # Of an aggregate that was rejected whole, any sub-sequence.
    return head in left_out or head.partition(b',"sub_sequence":')[0] in left_out


def _number(one: tuple[int, Identity]) -> int:
    return one[0]


def _beginnings(identities: Iterable[Identity]) -> frozenset[bytes]:
    found = set()
    for shard, sequence_number, sub_sequence in identities:
        text = f'{{"shard":"{shard}","sequence_number":"{sequence_number}"'
        is_whole = sub_sequence == WHOLE_AGGREGATE
        found.add((text if is_whole else f'{text},"sub_sequence":{sub_sequence}').encode())
    return frozenset(found)
