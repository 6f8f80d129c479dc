"""Since when the catalog has a record: one answer for `explain`, `show`, `replay` and `diff`.

A record that comes again keeps its identity and its arrival, and what the table refused was archived as
accepted before it was asked. So the archive's lines alone cannot tell; when their objects were written can,
and what operators and quarantine noted.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.objects import Identity
from catalog.repair.marks import Mark, Marks, record_name
from processor.records import WHOLE_AGGREGATE

FROM_ARRIVAL = datetime.min.replace(tzinfo=UTC)
NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of quarantined records, by the records' names.

    `marks`: of those that were accepted when they were sent again. `refused`: those that the table refused.
    `rejected`: those that were rejected before.
    """

    marks: Marks
    refused: Container[str] = ()
    rejected: Container[str] = ()

    def mark(self, identity: Identity) -> Mark | None:
        """Return the mark that says when a record was accepted, alone or in its aggregate; None without."""
        for name in _names(identity):
            if (mark := self.marks.fixed.get(name) or self.marks.records.get(name)) is not None:
                return mark
            if name in self.refused:
                return None
        return None

    def since(self, identity: Identity, written_at: datetime) -> datetime:
        """Return since when the catalog has a record that the archive has as accepted.

        `FROM_ARRIVAL`: as soon as it arrived; `NOT_YET`: it does not have it. `written_at`: when the first
        object with it as accepted was, which counts if it was rejected, too, whoever had it sent again.
        """
        names = _names(identity)
        if any(name in self.refused for name in names):
            mark = self.mark(identity)
            return NOT_YET if mark is None else mark.at
        return written_at if any(name in self.rejected for name in names) else FROM_ARRIVAL


def _names(identity: Identity) -> tuple[str, str]:
    """Return the record's name, which decides, and that of the aggregate that it may be in."""
    return record_name(identity), record_name((*identity[:2], WHOLE_AGGREGATE))
