"""Repaired records: rejected ones that were accepted when an operator sent them again, fixed or not."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from catalog.times import shown_time


@dataclass(frozen=True, slots=True)
class Repair:
    """How a record was repaired. `at`: since when the catalog has it; `by`, `reason`: None if not known.

    `is_fix`: with other bytes; else it was redriven as it was.
    """

    at: datetime
    is_fix: bool
    by: str | None = None
    reason: str | None = None

    def text(self) -> str:
        """Return it as a line for people."""
        who = f" by {self.by.rpartition(':')[2]}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.verb} on {shown_time(self.at)}{who}{why}"

    @property
    def verb(self) -> str:
        """What was done."""
        return "fixed" if self.is_fix else "redriven"


def digest_of(data: bytes) -> str:
    """Return the digest of a record's bytes, as claims have it."""
    return hashlib.sha256(data).hexdigest()
