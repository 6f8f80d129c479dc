"""The catalog in PostgreSQL."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from processor.adapters.postgres import Database
from processor.adapters.upsert import FROM_ARRAYS, columns, upsert_statement
from processor.fold import Change
from processor.ports import MissedInvalidation, Upserted
from processor.records import Record

if TYPE_CHECKING:
    from processor.adapters.postgres import Connection

_UPSERT: Final = upsert_statement(FROM_ARRAYS)

# Marks older than a record is retried (24 h) are of an earlier life: it was discarded and redriven.
_MARK: Final = """
WITH mine AS (
    INSERT INTO processing_attempt (shard, sequence_number, process_id) VALUES ($1, $2, $3)
    ON CONFLICT (shard, sequence_number, process_id) DO UPDATE SET last_tried_at = now()
)
SELECT count(*) FROM processing_attempt
WHERE shard = $1 AND sequence_number = $2 AND process_id <> $3 AND last_tried_at > now() - interval '24 hours'
"""


class PostgresCatalog:
    """See `ports.Catalog`; one statement a method, so that each is one transaction.

    `process_id`: a text no other process has; what it marked never counts against a record while it lives.
    """

    def __init__(self, database: Database, *, process_id: str) -> None:
        self._database = database
        self.process_id = process_id

    async def upsert(self, changes: Sequence[Change]) -> Upserted:
        """See `ports.Catalog`."""
        arrays = columns(changes)

        async def operation(connection: "Connection") -> Upserted:
            row = await connection.fetchrow(_UPSERT, *arrays)
            assert row is not None  # noqa: S101 an aggregate always has a row
            return Upserted(row["changed"], row["invalidations_pending"])

        return await self._database.run(operation)

    async def add_missed_invalidations(self, product_ids: Sequence[str]) -> None:
        """See `ports.Catalog`."""
        await self._database.run(
            lambda connection: connection.execute(
                "INSERT INTO pending_invalidation (product_id) SELECT unnest($1::text[])", list(product_ids)
            )
        )

    async def missed_invalidations(self, limit: int) -> list[MissedInvalidation]:
        """See `ports.Catalog`."""
        rows = await self._database.run(
            lambda connection: connection.fetch(
                "SELECT id, product_id FROM pending_invalidation ORDER BY id LIMIT $1", limit
            )
        )
        return [MissedInvalidation(row["id"], row["product_id"]) for row in rows]

    async def forget_missed_invalidations(self, ids: Sequence[int]) -> None:
        """See `ports.Catalog`."""
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM pending_invalidation WHERE id = ANY($1::bigint[])", list(ids)
            )
        )

    async def mark_attempt(self, record: Record) -> int:
        """See `ports.Catalog`."""
        others = await self._database.run(
            lambda connection: connection.fetchval(
                _MARK, record.shard, record.sequence_number, self.process_id
            )
        )
        return int(others)

    async def clear_attempts(self, record: Record) -> None:
        """See `ports.Catalog`."""
        await self._database.run(
            lambda connection: connection.execute(
                "DELETE FROM processing_attempt WHERE shard = $1 AND sequence_number = $2",
                record.shard,
                record.sequence_number,
            )
        )
