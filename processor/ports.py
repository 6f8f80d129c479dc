"""What processing a batch needs from outside, named by role."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from processor.fold import Change
from processor.records import Record
from processor.retry_state import RetryState
from processor.updates import Rejection

# 10,000 products take a few milliseconds, a login up to a second. A cache that takes longer is unavailable.
INVALIDATION_SECONDS = 1.5


class Upserted(NamedTuple):
    """`changed`: products whose row changed; `has_pending_invalidations`: there are some to drain."""

    changed: int
    has_pending_invalidations: bool


class PendingInvalidation(NamedTuple):
    """A product whose cached value could not be deleted; `id` is new each time the product is added."""

    id: int
    product_id: str


class ArchivedObjects(Protocol):
    """The archive's objects, to read."""

    def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        """Return an iterator over an object's lines, some at a time, without their ends.

        Raises: DamagedObjectError, before the first line; DependencyError.
        """


class Archive(ArchivedObjects, Protocol):
    """Keeps every record as received."""

    async def put(self, records: Sequence[Record], outcomes: Sequence[str]) -> None:
        """Make the records durable; a repetition adds nothing. Raises: DependencyError.

        `outcomes`: of each record, `s3_objects.ACCEPTED` or the reason for its rejection.
        """


class Quarantine(Protocol):
    """Keeps every rejected record and why."""

    async def put(self, rejections: Sequence[Rejection]) -> None:
        """Make the rejections durable; a repetition adds nothing. Raises: DependencyError."""

    async def note_survival(self, record: Record, process_id: str) -> None:
        """Note that the process survived, although its mark is not cleared. Raises: DependencyError."""

    async def survivors(self, record: Record) -> frozenset[str]:
        """Return the processes that noted so. Raises: DependencyError."""


class Refusal(NamedTuple):
    """A change that the table refused: its position among the changes, and the table's message."""

    position: int
    message: str


class Catalog(Protocol):
    """The products, pending invalidations and marks of attempts. All methods raise DependencyError."""

    process_id: str
    """Identifies this process in its marks; unique."""

    async def upsert(self, changes: Sequence[Change], *, within_seconds: float) -> Upserted:
        """Apply the changes, ordered by product, in one transaction; many, in two.

        Raises: CatalogRefusedError, StatementTimeoutError; of two, one may be applied all the same.
        """

    async def upsert_one_by_one(
        self, changes: Sequence[Change], *, within_seconds: float
    ) -> tuple[Upserted, list[Refusal]]:
        """Apply each change that the table does not refuse; a product may come more than once.

        Raises: StatementTimeoutError; then none of them is applied.
        """

    async def outdated(self, changes: Sequence[Change], *, within_seconds: float) -> list[Change]:
        """Return the changes that would change a row, in order; a product may come more than once.

        Raises: CatalogRefusedError, StatementTimeoutError.
        """

    async def add_pending_invalidations(self, product_ids: Sequence[str]) -> None:
        """Record products whose cached values may be old; one that is pending already gets a new id."""

    async def pending_invalidations(self, limit: int, *, after: str = "") -> list[PendingInvalidation] | None:
        """Return the next ones by product, at most `limit`; None while another process drains."""

    async def remove_pending_invalidations(self, pending: Sequence[PendingInvalidation]) -> int:
        """Remove exactly these; return how many there still were."""

    async def end_drain(self) -> None:
        """Let another process drain."""

    async def remove_expired_pending_invalidations(self, older_than_seconds: int) -> int:
        """Remove those too old to matter; return how many."""

    async def tidy(self) -> None:
        """Remove marks that are too old to matter, and free the pages of drained invalidations."""

    async def mark_attempt(self, record: Record) -> frozenset[str]:
        """Mark that this process is about to try the record; return the other processes that marked it."""

    async def clear_attempts(self, record: Record) -> None:
        """Remove all marks of the record: it did not kill its process this time."""

    async def take_back_marks(self) -> None:
        """Remove the marks that this process could not clear when it should have, if any."""


class Cache(Protocol):
    """The shop's cached products."""

    async def invalidate(
        self, product_ids: Sequence[str], *, within_seconds: float = INVALIDATION_SECONDS
    ) -> None:
        """Delete the products' values and leases. Raises: CacheUnavailableError, within that time."""


class Clock(Protocol):
    """The time; simulated in tests."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; they never go back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Everything outside that processing a batch needs."""

    archive: Archive
    quarantine: Quarantine
    catalog: Catalog
    cache: Cache
    clock: Clock
    retry_state: RetryState = field(default_factory=RetryState)
