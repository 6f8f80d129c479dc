"""What `catalog archive verify` reports."""

from dataclasses import dataclass, field
from datetime import date

from catalog.terminal_text import safe

MOST_FINDINGS = 1_000
"""As many are kept and printed; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where. `line`: from 1; None: it is about all of the object."""

    kind: str
    key: str
    line: int | None
    message: str

    def text(self) -> str:
        """Return the finding as one line for a terminal: whoever may put objects chose the key."""
        key = safe(self.key, 1_024)
        return f"{self.kind}: {key if self.line is None else f'{key}:{self.line}'}: {self.message}"


@dataclass(slots=True)
class DayOfShard:
    """What a shard's objects of a day hold."""

    day: date
    shard: str
    objects: int = 0
    bytes: int = 0
    records: int = 0
    rejected: int = 0
    duplicates: int = 0
    fixed: int = 0
    findings: int = 0


@dataclass(slots=True)
class Verification:
    """The result. `notes`: what is worth knowing and no finding; `counts`: of findings, by kind."""

    days: dict[tuple[date, str], DayOfShard] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, day: date, shard: str) -> DayOfShard:
        """Return the counts of a shard's day."""
        return self.days.setdefault((day, shard), DayOfShard(day, shard))

    def add(
        self, kind: str, key: str, line: int | None, message: str, where: DayOfShard | None = None
    ) -> None:
        """Add a finding; `where`: the shard's day that it is counted for."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if where is not None:
            where.findings += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(kind, key, line, message))

    @property
    def found(self) -> int:
        """How many findings there are."""
        return sum(self.counts.values())
