"""What an execution environment remembers between batches, so that a retry goes on where it was cut off."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from processor.records import Record

# As many as several aggregates hold. What is dropped is found out again.
MAX_REFUSED = 100_000
_Identity: TypeAlias = tuple[str, str, int]


class RefusedRecords:
    """Records that the table refused, and its messages.

    Only the newest `most` are kept, so a batch must not rely on finding its records here.
    """

    def __init__(self, most: int = MAX_REFUSED) -> None:
        self._most = most
        self._messages: dict[_Identity, str] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, record: Record, message: str) -> None:
        """Remember that the table refused the record."""
        self._messages[_identity(record)] = message
        if len(self._messages) > self._most:
            del self._messages[next(iter(self._messages))]

    def get(self, record: Record) -> str | None:
        """Return why it was refused; None if it was not, or too long ago."""
        return self._messages.get(_identity(record))

    def discard(self, records: Iterable[Record]) -> None:
        """Forget records that are in quarantine by now."""
        for record in records:
            self._messages.pop(_identity(record), None)


@dataclass(slots=True)
class RetryState:
    """What the last batches left behind.

    `refused`: records that are not yet in quarantine. `database_is_slow`: the last batch was not finished in
    time by the database.
    """

    refused: RefusedRecords = field(default_factory=RefusedRecords)
    database_is_slow: bool = False


def _identity(record: Record) -> _Identity:
    return record.shard, record.sequence_number, record.sub_sequence
