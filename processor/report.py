"""What happened in an invocation: the handler's response, the log and the metrics are made of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from processor.errors import DependencyError


class _Rejection(Protocol):
    @property
    def reason(self) -> str: ...
    @property
    def supplier(self) -> str | None: ...


@dataclass(kw_only=True, slots=True)
class CatalogResult:
    """What the catalog's stage did to one slice.

    `refused`: updates that the table refused, now in quarantine. `invalidate_seconds`: None if the stage
    ended before it invalidated.
    """

    products_changed: int = 0
    stale_updates: int = 0
    has_pending_invalidations: bool = False
    pending_invalidations_added: int = 0
    refused: list[_Rejection] = field(default_factory=list)
    invalidate_seconds: float | None = None
    warnings: list[Exception] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class DrainReport:
    """What one drain did; `warnings`: why it ended before all was drained.

    `pending_invalidations_expired`: those so old that what was cached then has expired. `another_drains`: the
    rest was left to another process, which is draining.
    """

    pending_invalidations_drained: int = 0
    pending_invalidations_expired: int = 0
    another_drains: bool = False
    warnings: list[Exception] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class BatchReport:
    """Counts of records, updates and products; times in milliseconds by stage.

    `stale_updates`: updates that lost to another of their batch, and products the batch left unchanged.
    `first_unfinished`: the sequence number to respond with; None if all is done. `failures`: why the batch
    (or its rest) must come again; `unexpected`: errors of no kind in `errors.py`; `warnings`: errors that
    left nothing unfinished.
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
    unexpected: list[Exception] = field(default_factory=list)
    warnings: list[Exception] = field(default_factory=list)

    def count_rejections(self, rejections: Iterable[_Rejection]) -> None:
        """Count them by reason and by supplier."""
        for rejection in rejections:
            self.rejected[rejection.reason] += 1
            self.rejected_by_supplier[rejection.supplier or "unknown"] += 1

    def add_stage_time(self, stage: str, seconds: float) -> None:
        """Add the time that one slice spent in a stage."""
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + seconds * 1000

    def add_error(self, error: BaseException) -> None:
        """File an error that left records unfinished. Raises: it, if it is not an `Exception`."""
        if isinstance(error, DependencyError):
            self.failures.append(error)
        elif isinstance(error, Exception):
            self.unexpected.append(error)
        else:
            raise error

    def add_catalog(self, result: CatalogResult) -> None:
        """Add what the catalog's stage did to one slice."""
        self.products_changed += result.products_changed
        self.stale_updates += result.stale_updates
        self.has_pending_invalidations |= result.has_pending_invalidations
        self.pending_invalidations_added += result.pending_invalidations_added
        self.count_rejections(result.refused)
        self.accepted -= len(result.refused)
        self.warnings += result.warnings
        if result.invalidate_seconds is not None:
            self.add_stage_time("invalidate", result.invalidate_seconds)

    def add_drain(self, drain: DrainReport) -> None:
        """Add what the batch drained after its own work."""
        self.pending_invalidations_drained += drain.pending_invalidations_drained
        self.warnings += drain.warnings
