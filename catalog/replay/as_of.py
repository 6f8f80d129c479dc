"""The archive without what the catalog does not have, or did not have at a moment.

That is what the table refused, and records that had arrived but were accepted later, when an operator fixed
them or sent them again (`catalog/repair/acceptance.py`).
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.connections import Connections
from catalog.objects import Foreign, Identity
from catalog.repair.acceptance import Acceptance
from catalog.repair.claims import read_begun
from catalog.repair.marks import identity_named, read_marks, record_name
from catalog.repair.quarantined import refused_records
from catalog.replay.sources import Found, Source
from processor.archive_replay import Selection
from processor.records import WHOLE_AGGREGATE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Records that count as not accepted, by how their lines begin.

    `but`: records that count, of an aggregate in `lines`. `later`: how many were accepted after the moment;
    `refused`: how many the table refused; `batches`: how many failed batches were redriven after the moment.
    """

    lines: frozenset[bytes] = frozenset()
    but: frozenset[bytes] = frozenset()
    later: int = 0
    refused: int = 0
    batches: int = 0


async def left_out(connections: Connections, moment: datetime | None, selection: Selection) -> LeftOut:
    """Return which of the selected records the catalog did not have at a moment; None: does not have now."""
    begin = _EPOCH + timedelta(milliseconds=selection.begin_ms) if selection.begin_ms else None
    refused = await refused_records(connections, begin)
    if moment is None and not refused:
        return LeftOut()
    marks = await read_marks(connections)
    begun = await read_begun(connections, marks) if moment is not None else {}
    acceptance = Acceptance(marks, refused, begun)
    unknown, known = set[Identity](), set[Identity]()
    for name in {*marks.of_records, *refused, *begun}:
        if (identity := identity_named(name)) is not None:
            (known if acceptance.had(identity, moment) else unknown).add(identity)
    waiting = sum(record_name(one) in refused and acceptance.mark(one) is None for one in unknown)
    return LeftOut(
        lines=_beginnings(unknown),
        but=_beginnings(one for one in known if (*one[:2], WHOLE_AGGREGATE) in unknown),
        later=len(unknown) - waiting,
        refused=waiting,
        batches=sum(moment is not None and mark.at > moment for mark in marks.batches.values()),
    )


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
        async for lines in self._source.lines(key):
            yield [line for line in lines if not self._is_left_out(line)]

    def _is_left_out(self, line: bytes) -> bool:
        head = line.partition(b',"partition_key":')[0]
        if head in self._without.lines:
            return True
        # Of an aggregate that was repaired whole, any sub-sequence.
        return head.partition(b',"sub_sequence":')[0] in self._without.lines and head not in self._without.but


def _beginnings(identities: Iterable[Identity]) -> frozenset[bytes]:
    found = set()
    for shard, sequence_number, sub_sequence in identities:
        text = f'{{"shard":"{shard}","sequence_number":"{sequence_number}"'
        is_whole = sub_sequence == WHOLE_AGGREGATE
        found.add((text if is_whole else f'{text},"sub_sequence":{sub_sequence}').encode())
    return frozenset(found)
