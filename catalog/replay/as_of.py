"""The archive as it was at a moment, without records that had arrived but were repaired later.

A quarantined record that an operator fixes, or sends again, keeps its arrival. Its mark says when it was
accepted (`catalog/repair/marks.py`).
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime

from catalog.connections import Connections
from catalog.repair.marks import read_marks
from catalog.replay.sources import Found, Source
from processor.archive_replay import Selection
from processor.records import WHOLE_AGGREGATE


@dataclass(frozen=True, slots=True)
class Later:
    """`records`: how lines of records that were accepted later begin; `batches`: how many were redriven."""

    records: frozenset[bytes]
    batches: int


async def accepted_later(connections: Connections, moment: datetime) -> Later:
    """Return which records and how many failed batches an operator sent again after a moment only."""
    marks = await read_marks(connections, until=moment)
    records, batches = marks.records | marks.fixed, len(marks.batches)
    marks = await read_marks(connections, marks)
    names = (marks.records | marks.fixed) - records
    return Later(_beginnings(names), len(marks.batches) - batches)


class SourceWithout:
    """A source that leaves out the lines of some records."""

    def __init__(self, source: Source, unknown: frozenset[bytes]) -> None:
        self._source = source
        self._unknown = unknown

    def found(self, selection: Selection, *, after: str = "") -> AsyncIterator[Found]:
        """Return an iterator over the objects that may hold lines of the selection, after a key."""
        return self._source.found(selection, after=after)

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        """Yield the object's lines, some at a time. Raises: DamagedObjectError."""
        async for lines in self._source.lines(key):
            yield [line for line in lines if not self._is_unknown(line)]

    def _is_unknown(self, line: bytes) -> bool:
        head = line.partition(b',"partition_key":')[0]
        # Of an aggregate that was repaired whole, any sub-sequence.
        return head in self._unknown or head.partition(b',"sub_sequence":')[0] in self._unknown


def _beginnings(names: Iterable[str]) -> frozenset[bytes]:
    found = set()
    for name in names:
        shard, sequence_number, sub_sequence = name.split("/")
        text = f'{{"shard":"{shard}","sequence_number":"{sequence_number}"'
        is_whole = sub_sequence == str(WHOLE_AGGREGATE)
        found.add((text if is_whole else f'{text},"sub_sequence":{sub_sequence}').encode())
    return frozenset(found)
