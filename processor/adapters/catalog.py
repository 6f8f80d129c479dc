"""The catalog in PostgreSQL: each method is one statement and so one transaction; a large upsert is two."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from processor.adapters.halves import upsert_halves
from processor.adapters.postgres import OPERATION_SECONDS, Database
from processor.adapters.upsert import (
    FROM_JSON,
    FROM_TEXTS,
    PRODUCTS,
    WRITTEN,
    columns,
    fits_statement,
    json_rows,
    outdated_statement,
    upsert_statement,
)
from processor.errors import CatalogRefusedError, reason_of
from processor.fold import Change
from processor.ports import PendingInvalidation, Refusal, Upserted
from processor.records import Record

if TYPE_CHECKING:
    from processor.adapters.postgres import Connection

_UPSERT_ONE = upsert_statement(FROM_JSON)
_FITS_ONE = fits_statement(FROM_JSON)
# A CHECK, or a value that is too long, out of range or not in the database's encoding. `apply_one_by_one`
# finds out whose fault it is.
_REFUSED = frozenset({"23514", "22001", "22003", "22021", "22P05"})
_APPLY_ONE_BY_ONE = "SELECT * FROM apply_one_by_one($1, $2, $3::text[], $4::text[])"

# Each time a product is added it gets a new id, so that a drain removes none that is newer than its UNLINK.
_ADD_PENDING = """
INSERT INTO pending_invalidation (product_id) SELECT unnest($1::text[])
ON CONFLICT (product_id) DO UPDATE SET id = DEFAULT, missed_at = now()
"""
# A process that holds the one row of invalidation_drain, or takes it over, reads, so that two drains do not
# do the same work. No row: another process holds it. One row of NULLs: nothing is pending.
_PENDING = """
WITH held AS (
    UPDATE invalidation_drain SET held_by = $1, held_until = now() + $2 * interval '1 second'
    WHERE held_by = $1 OR held_until < now()
    RETURNING 1
)
SELECT id, product_id FROM held LEFT JOIN (
    SELECT id, product_id FROM pending_invalidation WHERE product_id > $3 ORDER BY product_id LIMIT $4
) AS page ON true ORDER BY product_id
"""
# IS TRUE keeps PostgreSQL from joining: a plan made while the table was empty, and used again when it is not,
# would compare every row with every pair (20,000 rows took over 30 s). So the pairs are hashed, and each row
# between the page's first and last product is looked up.
_REMOVE_PENDING = """
DELETE FROM pending_invalidation
WHERE product_id BETWEEN $3 AND $4
    AND ((product_id, id) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))) IS TRUE
"""
_END_DRAIN = "UPDATE invalidation_drain SET held_until = '-infinity' WHERE held_by = $1"
# The age is compared twice: a row may be added again after it was selected, and some releases of PostgreSQL
# do not compare its ctid again.
_REMOVE_EXPIRED_PENDING = """
DELETE FROM pending_invalidation WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM pending_invalidation WHERE missed_at < now() - $1 * interval '1 second' LIMIT $2))
AND missed_at < now() - $1 * interval '1 second'
"""
_EMPTY_PAGES = """
SELECT pg_relation_size('pending_invalidation') > 65536 AND NOT EXISTS (SELECT FROM pending_invalidation)
"""
_DRAIN_SECONDS = 15
# Fewer changes take about as long in one statement.
_WORTH_HALVES = 2_000
_TIDY_SECONDS = 30.0
_EXPIRED_PER_STATEMENT = 250_000

# A record is retried for 24 h. Older marks are from before it was discarded and redriven.
_MARK = """
WITH mine AS (
    INSERT INTO processing_attempt (shard, sequence_number, process_id) VALUES ($1, $2, $3)
    ON CONFLICT (shard, sequence_number, process_id) DO UPDATE SET last_tried_at = now()
)
SELECT process_id FROM processing_attempt
WHERE shard = $1 AND sequence_number = $2 AND process_id <> $3 AND last_tried_at > now() - interval '24 hours'
"""
_REMOVE_OLD_MARKS = "DELETE FROM processing_attempt WHERE last_tried_at < now() - interval '24 hours'"


class PostgresCatalog:
    """See `ports.Catalog`.

    `table`: `products`, or a copy of its shape for `upsert` and `outdated`, quoted. `halves_from`: upserts of
    so many changes go in two halves at the same time.
    """

    def __init__(
        self,
        database: Database,
        *,
        process_id: str,
        table: str = PRODUCTS,
        halves_from: int = _WORTH_HALVES,
    ) -> None:
        self._database = database
        self._upsert_sql = upsert_statement(FROM_TEXTS, table)
        self._outdated_sql = outdated_statement(table)
        self._halves_from = halves_from
        self.process_id = process_id
        self._marked: set[tuple[str, str]] = set()

    async def upsert(
        self, changes: Sequence[Change], *, within_seconds: float = OPERATION_SECONDS
    ) -> Upserted:
        if len(changes) < self._halves_from or self._database.pool_size == 1:
            return await self._upsert(changes, within_seconds)
        return await upsert_halves(self._upsert, changes, within_seconds)

    async def _upsert(self, changes: Sequence[Change], within_seconds: float) -> Upserted:
        texts = columns(changes)
        try:
            (row,) = await self._database.run(
                lambda connection: connection.fetch(self._upsert_sql, *texts),
                within_seconds=within_seconds,
                divisible=True,
            )
        except asyncpg.PostgresError as error:
            if (refusal := _refusal(error)) is None:
                raise
            raise refusal from error
        return _upserted(row)

    async def upsert_one_by_one(
        self, changes: Sequence[Change], *, within_seconds: float = OPERATION_SECONDS
    ) -> tuple[Upserted, list[Refusal]]:
        texts = json_rows(changes)
        # The last row is about all changes, each before it about one that was refused.
        *refused, last = await self._database.run(
            lambda connection: connection.fetch(_APPLY_ONE_BY_ONE, _UPSERT_ONE, _FITS_ONE, texts, WRITTEN),
            within_seconds=within_seconds,
            divisible=True,
        )
        refusals = [
            Refusal(position=row["refused"], message=f"database: {row['message']}") for row in refused
        ]
        return _upserted(last), refusals

    async def outdated(
        self, changes: Sequence[Change], *, within_seconds: float = OPERATION_SECONDS
    ) -> list[Change]:
        texts = columns(changes)
        try:
            rows = await self._database.run(
                lambda connection: connection.fetch(self._outdated_sql, *texts), within_seconds=within_seconds
            )
        except asyncpg.PostgresError as error:
            if (refusal := _refusal(error)) is None:
                raise
            raise refusal from error
        outdated = {row["position"] for row in rows}
        return [change for position, change in enumerate(changes, 1) if position in outdated]

    async def add_pending_invalidations(self, product_ids: Sequence[str]) -> None:
        await self._database.run(
            lambda connection: connection.execute(_ADD_PENDING, sorted(set(product_ids)))
        )

    async def pending_invalidations(self, limit: int, *, after: str = "") -> list[PendingInvalidation] | None:
        rows = await self._database.run(
            lambda connection: connection.fetch(_PENDING, self.process_id, _DRAIN_SECONDS, after, limit)
        )
        if not rows:
            return None
        return [
            PendingInvalidation(id=row["id"], product_id=row["product_id"])
            for row in rows
            if row["id"] is not None
        ]

    async def remove_pending_invalidations(self, pending: Sequence[PendingInvalidation]) -> int:
        ids = [entry.id for entry in pending]
        product_ids = [entry.product_id for entry in pending]
        status = await self._database.run(
            lambda connection: connection.execute(
                _REMOVE_PENDING, product_ids, ids, min(product_ids), max(product_ids)
            )
        )
        return int(status.rpartition(" ")[2])

    async def end_drain(self) -> None:
        await self._database.run(lambda connection: connection.execute(_END_DRAIN, self.process_id))

    async def remove_expired_pending_invalidations(self, older_than_seconds: int) -> int:
        async def operation(connection: "Connection") -> int:
            status = await connection.execute(
                _REMOVE_EXPIRED_PENDING, older_than_seconds, _EXPIRED_PER_STATEMENT
            )
            return int(status.rpartition(" ")[2])

        forgotten = 0
        while some := await self._database.run(operation, within_seconds=_TIDY_SECONDS):
            forgotten += some
        return forgotten

    async def tidy(self) -> None:
        async def operation(connection: "Connection") -> None:
            await connection.execute(_REMOVE_OLD_MARKS)
            if await connection.fetchval(_EMPTY_PAGES):
                # Deleted rows are still in the table's pages, and each upsert would scan them.
                await connection.execute("VACUUM pending_invalidation")

        await self._database.run(operation, within_seconds=_TIDY_SECONDS)

    async def mark_attempt(self, record: Record) -> frozenset[str]:
        # Before the statement, whose answer may be lost.
        self._marked.add((record.shard, record.sequence_number))
        rows = await self._database.run(
            lambda connection: connection.fetch(_MARK, record.shard, record.sequence_number, self.process_id)
        )
        return frozenset(row["process_id"] for row in rows)

    async def clear_attempts(self, record: Record) -> None:
        identity = (record.shard, record.sequence_number)
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM processing_attempt WHERE shard = $1 AND sequence_number = $2", *identity
            )
        )
        self._marked.discard(identity)

    async def take_back_marks(self) -> None:
        if self._marked:
            await self._database.run(
                lambda connection: connection.execute(
                    "DELETE FROM processing_attempt WHERE process_id = $1", self.process_id
                )
            )
            self._marked.clear()


def _refusal(error: asyncpg.PostgresError) -> CatalogRefusedError | None:
    """Return what an error of a statement with changes means; None if the table refuses none of them."""
    if error.sqlstate not in _REFUSED:
        return None
    return CatalogRefusedError(f"database: {reason_of(error)} ({error.sqlstate})")


def _upserted(row: asyncpg.Record) -> Upserted:
    return Upserted(changed=row["changed"], has_pending_invalidations=row["invalidations_pending"])
