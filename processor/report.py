"""What happened in an invocation: the ground for the answer, the log and the metrics."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class _Rejection(Protocol):
    @property
    def reason(self) -> str: ...
    @property
    def supplier(self) -> str | None: ...


@dataclass(kw_only=True, slots=True)
class BatchReport:
    """Counts of records, updates and products; times in milliseconds by stage.

    `stale_updates`: updates that lost to another of their batch, and products the batch left unchanged.
    `first_unfinished`: the sequence number to answer; None if all is done. `failures`: why the batch (or its
    rest) must come again; `unforeseen`: errors nobody foresaw; `warnings`: what was made do without.
    """

    kinesis_records: int
    records: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_by_supplier: Counter[str] = field(default_factory=Counter)
    products_changed: int = 0
    stale_updates: int = 0
    pending_invalidations_added: int = 0
    pending_invalidations_drained: int = 0
    has_pending_invalidations: bool = False
    stage_ms: dict[str, float] = field(default_factory=dict)
    first_unfinished: str | None = None
    failures: list[Exception] = field(default_factory=list)
    unforeseen: list[Exception] = field(default_factory=list)
    warnings: list[Exception] = field(default_factory=list)

    def count_rejections(self, rejections: Iterable[_Rejection]) -> None:
        """Count them by reason and by supplier."""
        for rejection in rejections:
            self.rejected[rejection.reason] += 1
            self.rejected_by_supplier[rejection.supplier or "unknown"] += 1

    def add_stage_time(self, stage: str, seconds: float) -> None:
        """Time spent in a stage, by one slice of the batch."""
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + seconds * 1000


@dataclass(kw_only=True, slots=True)
class DrainReport:
    """What one scheduled drain did; `warnings`: why it ended before nothing was left.

    `pending_invalidations_expired`: those so old that what was cached then has expired. `another_drains`: the
    rest was left to another process, which is draining.
    """

    pending_invalidations_drained: int = 0
    pending_invalidations_expired: int = 0
    another_drains: bool = False
    warnings: list[Exception] = field(default_factory=list)
