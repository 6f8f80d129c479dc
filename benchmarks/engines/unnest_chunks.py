"""H: 1,024 rows a statement, one statement after another, as change data capture tools write to PostgreSQL.

- Debezium's JDBC sink with `dialect.postgres.unnest.insert.enabled` (off by default) sends INSERT … SELECT *
  FROM UNNEST(one array a column) ON CONFLICT (key) DO UPDATE SET every column = EXCLUDED's, `batch.size` rows
  each.
- RisingWave's PostgreSQL sink sends INSERT … VALUES with a parameter for each value and the same ON CONFLICT;
  its option `max_batch_rows` is 1,024. In between, releases of 2025 and 2026 sent single rows, pipelined.

Neither compares versions: the last to write wins, and NULL overwrites. Each is here as it is (`blind`), and
Debezium's shape also with our comparison of versions. A statement is its own transaction; Debezium's COMMIT,
one more round trip, is left out.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Any

import asyncpg

from benchmarks.engine import Addresses, Engine
from benchmarks.rows import TYPES, Changes, prepared, rows
from processor.adapters.upsert import COLUMNS, apply_changes

ROWS_OF_A_STATEMENT = 1_024
_NAMES = ", ".join(COLUMNS)
# One parameter per column.
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(TYPES, 1))
FROM_ARRAYS = f"unnest({_ARRAYS}) AS change ({_NAMES})"


def blind_upsert(source: str) -> str:
    """Return SQL that writes whole rows of `source` and compares nothing; see `apply_changes`."""
    names = ("last_updated", *COLUMNS[1:])
    assignments = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"""
    INSERT INTO products (product_id, last_updated, {", ".join(COLUMNS[1:])})
    SELECT change.product_id,
        left(greatest(inventory_version, price_version, discontinued_version), 27)::timestamptz,
        coalesce(inventory, 0), price * 0.01, coalesce(discontinued, false),
        inventory_version, price_version, discontinued_version
    FROM {source}
    ON CONFLICT (product_id) DO UPDATE SET {assignments}
    """  # noqa: S608 only our own names are inserted


def arrays(changes: Changes) -> list[list[Any]]:
    """Return the parameters of `FROM_ARRAYS`."""
    return [list(column) for column in zip(*rows(changes), strict=True)]


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    # However long a statement is, it is prepared once.
    return await asyncpg.connect(dsn, max_cacheable_statement_size=0)


class _Statements(Engine):
    def open(self, addresses: Addresses) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(_connect(addresses.postgres.dsn))

    def prepare(self, event: dict[str, Any]) -> Changes:
        return prepared(event)

    def run(self, prepared: Changes) -> int:
        self._runner.run(self._run(prepared))
        return len(prepared)

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()

    async def _run(self, changes: Changes) -> None:
        for start in range(0, len(changes), ROWS_OF_A_STATEMENT):
            statement, parameters = self._statement(changes[start : start + ROWS_OF_A_STATEMENT])
            await self._connection.execute(statement, *parameters)

    @abstractmethod
    def _statement(self, changes: Changes) -> tuple[str, Iterable[Any]]:
        """Return the statement for some changes, and its parameters."""


class UnnestChunks(_Statements):
    """Debezium's shape with our comparison of versions; its semantics are ours."""

    name = "unnest_1024"

    def _statement(self, changes: Changes) -> tuple[str, Iterable[Any]]:
        return apply_changes(FROM_ARRAYS), arrays(changes)


class UnnestChunksBlind(_Statements):
    """Debezium's statement; an update without a price removes the price."""

    name = "unnest_1024_blind"

    def _statement(self, changes: Changes) -> tuple[str, Iterable[Any]]:
        return blind_upsert(FROM_ARRAYS), arrays(changes)


class ValuesChunksBlind(_Statements):
    """RisingWave's statement; an update without a price removes the price."""

    name = "values_1024_blind"

    def _statement(self, changes: Changes) -> tuple[str, Iterable[Any]]:
        return blind_upsert(_from_values(len(changes))), chain.from_iterable(rows(changes))


@lru_cache(maxsize=2)
def _from_values(count: int) -> str:
    """Return a FROM item with one parameter per value."""
    width = len(COLUMNS)
    lines = (
        ", ".join(f"${row * width + number}::{kind}" for number, kind in enumerate(TYPES, 1))
        for row in range(count)
    )
    return f"(VALUES {', '.join(f'({line})' for line in lines)}) AS change ({_NAMES})"
