"""A file or standard input as records to send."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from catalog.errors import UsageError
from catalog.produce.csv_rows import CsvRows
from catalog.produce.lines import STDIN, Line, read_lines
from catalog.produce.outgoing import Outgoing, changed_at, outgoing, sent_now


class Format(StrEnum):
    """How a source is written."""

    NDJSON = "ndjson"
    CSV = "csv"


class EventTime(StrEnum):
    """What a record without an event time gets."""

    NOW = "now"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file's name or `-`, and how its lines become records.

    `format`: None: by the name. `from_line`: earlier ones are skipped. `limit`: so many records at most.
    """

    name: str
    format: Format | None
    event_time: EventTime
    supplier: str | None
    from_line: int
    limit: int | None

    async def records(self) -> AsyncIterator[Sequence[Outgoing]]:
        """Yield the records in lists, as their lines arrive. Raises: UsageError."""
        event_time, left = self._event_time(), self.limit
        async with aclosing(self._lines()) as lists:
            async for lines in lists:
                wanted = [line for line in lines if line.number >= self.from_line]
                records = list(outgoing(wanted, event_time=event_time, supplier=self.supplier))[:left]
                yield records
                if left is not None:
                    left -= len(records)
                    if not left:
                        return

    async def _lines(self) -> AsyncGenerator[list[Line], None]:
        is_csv = self.name.lower().removesuffix(".gz").endswith(".csv")
        if self.format is Format.NDJSON or (self.format is None and not is_csv):
            async for lines in read_lines(self.name):
                yield lines
            return
        rows = CsvRows()
        async for lines in read_lines(self.name):
            yield list(rows.feed(lines))
        yield list(rows.end())

    def _event_time(self) -> Callable[[int], str] | None:
        if self.event_time is EventTime.NONE:
            return None
        if self.event_time is EventTime.NOW:
            return sent_now()
        if self.name == STDIN:
            raise UsageError(
                "--event-time file needs a file; standard input has no time: accepted: now, none"
            )
        try:
            return changed_at(Path(self.name).stat().st_mtime)
        except OSError as error:
            raise UsageError(f"{self.name}: {error.strerror}") from error
