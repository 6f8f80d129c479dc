"""F: psycopg 3 executes the upsert of one row for each row, in pipeline mode, in one transaction.

Its semantics are ours: the same SQL for each row, prepared once.
"""

from typing import Any

import psycopg

from benchmarks.engine import Addresses, Engine
from benchmarks.rows import TYPES, Changes, prepared, rows
from processor.adapters.upsert import COLUMNS, apply_changes

_VALUES = ", ".join(f"%s::{kind}" for kind in TYPES)
_UPSERT = apply_changes(f"(VALUES ({_VALUES})) AS change ({', '.join(COLUMNS)})")


class ExecuteMany(Engine):
    """`executemany`, which uses the pipeline mode by itself where libpq has it."""

    name = "executemany"

    def open(self, addresses: Addresses) -> None:
        self._connection = psycopg.connect(addresses.postgres.dsn)

    def prepare(self, event: dict[str, Any]) -> Changes:
        return prepared(event)

    def run(self, prepared: Changes) -> int:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_UPSERT, rows(prepared))
        return len(prepared)

    def close(self) -> None:
        self._connection.close()
