"""What the road of a batch needs from the outside, named by role."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from processor.fold import Change
from processor.records import Record
from processor.updates import Rejection


class Upserted(NamedTuple):
    """`changed`: products whose row changed; `invalidations_pending`: missed ones are waiting."""

    changed: int
    invalidations_pending: bool


class MissedInvalidation(NamedTuple):
    """One product whose cached value could not be deleted; `id` is this miss, not the product."""

    id: int
    product_id: str


class Archive(Protocol):
    """Keeps every record as received."""

    async def put(self, records: Sequence[Record], accepted: Sequence[bool]) -> None:
        """Make the batch durable; again adds nothing. Raises: DependencyFailed."""


class Quarantine(Protocol):
    """Keeps every rejected record and why."""

    async def put(self, rejections: Sequence[Rejection]) -> None:
        """Make the rejections durable; again adds nothing. Raises: DependencyFailed."""


class Catalog(Protocol):
    """The products, one row each, and what is remembered beside them. All methods raise DependencyFailed."""

    async def upsert(self, changes: Sequence[Change]) -> Upserted:
        """Apply the changes, ordered by product, in one transaction. Raises: CatalogRefused."""

    async def add_missed_invalidations(self, product_ids: Sequence[str]) -> None:
        """Remember products whose cached values may be old."""

    async def missed_invalidations(self, limit: int) -> list[MissedInvalidation]:
        """The oldest misses, at most `limit`."""

    async def forget_missed_invalidations(self, ids: Sequence[int]) -> None:
        """Forget exactly these misses."""

    async def mark_attempt(self, record: Record) -> int:
        """Mark that this process is about to try the record; how many other processes left a mark on it."""

    async def clear_attempts(self, record: Record) -> None:
        """Forget all marks on the record: it did not kill its process this time."""


class Cache(Protocol):
    """The shop's cached products."""

    async def invalidate(self, product_ids: Sequence[str], *, within_seconds: float = 1.5) -> None:
        """Delete the products' values and leases. Raises: CacheUnavailable, no later than that."""


class Clock(Protocol):
    """Time: replaced by a simulated one in tests and simulations."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
