"""Since when the catalog has a record: one answer for `explain`, `show`, `replay` and `diff`.

A record that comes again keeps its identity and its arrival, and what the table refused was archived as
accepted before it was asked. So the archive alone cannot tell.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from catalog.objects import Identity
from catalog.repair.claims import Claim
from catalog.repair.marks import Mark, Marks, record_name
from processor.records import WHOLE_AGGREGATE

FROM_ARRIVAL = datetime.min.replace(tzinfo=UTC)
NOT_YET = datetime.max.replace(tzinfo=UTC)
_NO_CLAIMS: Mapping[str, Claim] = {}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What operators did with quarantined records, by the records' names.

    `marks`: of those that were accepted when they were sent again. `refused`: those that the table refused.
    `begun`: claims of those that nothing says were sent.
    """

    marks: Marks
    refused: Container[str]
    begun: Mapping[str, Claim] = field(default_factory=lambda: _NO_CLAIMS)

    def mark(self, identity: Identity) -> Mark | None:
        """Return the mark that says when a record was accepted, alone or in its aggregate; None without."""
        for name in _names(identity):
            if (mark := self.marks.fixed.get(name) or self.marks.records.get(name)) is not None:
                return mark
            if name in self.refused or name in self.begun:
                return None
        return None

    def since(self, identity: Identity) -> datetime:
        """Return since when the catalog has a record that the archive has as accepted.

        `FROM_ARRIVAL`: as soon as it arrived; `NOT_YET`: it does not have it.
        """
        if (mark := self.mark(identity)) is not None:
            return mark.at
        for name in _names(identity):
            if name in self.refused:
                return NOT_YET
            if name in self.begun:
                return self.begun[name].moment
        return FROM_ARRIVAL

    def had(self, identity: Identity, moment: datetime | None) -> bool:
        """Return whether the catalog had it at a moment; None: now."""
        since = self.since(identity)
        return since < NOT_YET if moment is None else since <= moment


def _names(identity: Identity) -> tuple[str, str]:
    """Return the record's name, which decides, and that of the aggregate that it may be in."""
    return record_name(identity), record_name((*identity[:2], WHOLE_AGGREGATE))
