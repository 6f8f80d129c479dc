"""What a process remembers from batch to batch, so that an attempt goes on where the last one ended."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from processor.records import Record

# Some aggregates' worth; what is forgotten is found out again.
MOST = 100_000
_Identity: TypeAlias = tuple[str, str, int]


class RefusedRecords:
    """Records that the table refused, and its words; the newest `most`, so no batch may rest on it alone."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._messages: dict[_Identity, str] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, record: Record, message: str) -> None:
        """Remember that the table refused the record."""
        self._messages[_identity(record)] = message
        if len(self._messages) > self._most:
            del self._messages[next(iter(self._messages))]

    def recall(self, record: Record) -> str | None:
        """Why it was refused; None if it was not, or that was long ago."""
        return self._messages.get(_identity(record))

    def forget(self, records: Iterable[Record]) -> None:
        """They are in quarantine."""
        for record in records:
            self._messages.pop(_identity(record), None)


@dataclass(slots=True)
class Memory:
    """`refused`: what is not yet in quarantine; `slow`: the last batch was too much for the database."""

    refused: RefusedRecords = field(default_factory=RefusedRecords)
    slow: bool = False


def _identity(record: Record) -> _Identity:
    return record.shard, record.sequence_number, record.sub_sequence
