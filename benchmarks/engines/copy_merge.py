"""E: psycopg 3 copies the rows into a temporary table and merges them from there, in one transaction.

Its semantics are ours: the merge is the same SQL, but reads from a table.
"""

from typing import Any

import psycopg

from benchmarks.engine import Addresses, Engine
from benchmarks.rows import TYPES, Changes, prepared, rows
from processor.adapters.upsert import COLUMNS, apply_changes

_DEFINITION = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, TYPES, strict=True))
_CREATE = f"CREATE TEMPORARY TABLE incoming ({_DEFINITION}) ON COMMIT DELETE ROWS"
_COPY = f"COPY incoming ({', '.join(COLUMNS)}) FROM STDIN"
# The rows come ordered by product and are scanned in that order, so that concurrent merges do not deadlock.
_MERGE = apply_changes("incoming AS change")


class CopyMerge(Engine):
    """COPY, then INSERT … SELECT … ON CONFLICT; three round trips and the commit."""

    name = "copy_merge"

    def open(self, addresses: Addresses) -> None:
        self._connection = psycopg.connect(addresses.postgres.dsn)
        self._connection.execute(_CREATE)
        self._connection.commit()

    def prepare(self, event: dict[str, Any]) -> Changes:
        return prepared(event)

    def run(self, prepared: Changes) -> int:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for row in rows(prepared):
                    copy.write_row(row)
            cursor.execute(_MERGE)
        return len(prepared)

    def close(self) -> None:
        self._connection.close()
