"""A query's result as it comes: columns at once, rows in parts, from DuckDB or from Athena."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.archive import queries
from catalog.archive.athena_tables import archive_tables
from catalog.archive.rows import COLUMNS
from catalog.archive.spill import Spill
from catalog.archive.verify import Scope
from catalog.connections import Connections
from catalog.errors import CatalogError, UsageError

_ROWS = 1_000
# Athena answers in about a second; a long query is not asked for more often than this.
_FIRST_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 5.0
# ExecutionParameters in Athena's reference of StartQueryExecution.
_LONGEST_PARAMETER = 1024
# A PIVOT becomes several statements.
_QUERIES = frozenset({"SELECT", "EXPLAIN", "MULTI"})


@dataclass(frozen=True, slots=True)
class Result:
    """The names of the columns, and the rows in parts. `scanned_bytes`: what Athena bills; None: DuckDB."""

    columns: list[str]
    parts: AsyncIterator[list[tuple[Any, ...]]]
    scanned_bytes: int | None = None


def open_view(spill: Spill, files: list[Path], scope: Scope) -> None:
    """Make the view `archive` of the files, and the functions of Athena that DuckDB lacks."""
    connection = spill.connection
    if files:
        names = ", ".join(queries.quoted(str(file)) for file in files)
        shard = "" if scope.shard is None else f" WHERE shard = {queries.quoted(scope.shard)}"
        connection.execute(f"CREATE VIEW archive AS SELECT * FROM read_parquet([{names}]){shard}")  # noqa: S608
    else:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE archive ({columns})")
    connection.execute("CREATE MACRO from_iso8601_timestamp(value) AS CAST(value AS TIMESTAMPTZ)")
    connection.execute("SET lock_configuration = true")


async def ask_duckdb(spill: Spill, sql: str, values: Mapping[str, str]) -> Result:
    """Run a query on the view. Raises: UsageError for what DuckDB does not accept."""
    import duckdb  # slow to import

    connection = spill.connection

    def checked() -> None:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name not in _QUERIES:
            raise UsageError("one query is accepted, such as SELECT: the archive is only read")

    async def call(function: Any, *arguments: Any) -> Any:
        running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            connection.interrupt()
            # The connection cannot be closed before.
            await asyncio.gather(running, return_exceptions=True)
            raise
        except duckdb.Error as error:
            raise UsageError(f"DuckDB: {str(error).strip()}") from error

    await call(checked)
    await call(connection.execute, sql, dict(values))
    columns = [column[0] for column in connection.description or []]

    async def parts() -> AsyncIterator[list[tuple[Any, ...]]]:
        while rows := await call(connection.fetchmany, _ROWS):
            yield rows

    return Result(columns, parts())


@asynccontextmanager
async def ask_athena(
    connections: Connections, sql: str, values: Mapping[str, str], scope: Scope
) -> AsyncIterator[Result]:
    """Run a query on Athena, in the environment's workgroup; stop it if the block ends before it does.

    Raises: UsageError, CatalogError.
    """
    environment = connections.environment
    if environment.athena_workgroup is None or environment.glue_database is None:
        raise UsageError(f"environment {environment.name!r} has no Athena workgroup: leave --athena out")
    if too_long := [
        name for name, value in values.items() if len(queries.quoted(value)) > _LONGEST_PARAMETER
    ]:
        raise UsageError(f"--set {too_long[0]}: Athena accepts at most {_LONGEST_PARAMETER} characters")
    text, literals = queries.by_position(sql, values)
    athena = await connections.aws("athena")
    started = await athena.start_query_execution(
        QueryString=queries.with_tables(archive_tables(scope), text),
        QueryExecutionContext={"Database": environment.glue_database},
        WorkGroup=environment.athena_workgroup,
        **({"ExecutionParameters": literals} if literals else {}),
    )
    query = started["QueryExecutionId"]
    ended = False
    try:
        scanned_bytes = await _wait(athena, query)
        ended = True
    finally:
        if not ended:
            await athena.stop_query_execution(QueryExecutionId=query)
    parts = _athena_parts(athena, query)
    columns = await anext(parts)
    yield Result([str(column) for column in columns[0]], parts, scanned_bytes)


async def _wait(athena: Any, query: str) -> int:
    """Return how many bytes a query has scanned, when it is done."""
    pause = _FIRST_POLL_SECONDS
    while True:
        found = (await athena.get_query_execution(QueryExecutionId=query))["QueryExecution"]
        state = found["Status"]["State"]
        if state == "SUCCEEDED":
            scanned: int = found.get("Statistics", {}).get("DataScannedInBytes", 0)
            return scanned
        if state in {"FAILED", "CANCELLED"}:
            reason = found["Status"].get("StateChangeReason", "no reason given")
            raise CatalogError(f"Athena: the query {state.lower()}: {reason}")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_POLL_SECONDS)


async def _athena_parts(athena: Any, query: str) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Yield the columns' names as a row, then the rows; each value is a text or None."""
    has_header = True
    async for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query):
        answer = page["ResultSet"]
        rows = [tuple(cell.get("VarCharValue") for cell in row["Data"]) for row in answer["Rows"]]
        if has_header:
            names = tuple(column["Name"] for column in answer["ResultSetMetadata"]["ColumnInfo"])
            yield [names]
            # The first row of a SELECT repeats the names.
            rows = rows[1:] if rows and rows[0] == names else rows
            has_header = False
        if rows:
            yield rows
