"""A replay: the archive's updates applied again, with a mark of how far it is."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from catalog.connections import Connections
from catalog.errors import UsageError
from catalog.operations import Operation, list_operations, save
from catalog.replay.sources import Source
from catalog.replay.workers import Plan, Worker, Workers, batches
from catalog.replay.writing import Replayed
from processor.archive_replay import ReplayReport

SCHEMA = "replay"
COMMAND = "replay"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SAVE_SECONDS = 2.0
_OPERATIONS_SEARCHED = 200
_COUNT_SECONDS = 600.0
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) AS type, attcollation FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attname
"""


def quoted_table(name: str) -> str:
    """Return the table that `--into` names, for SQL. Raises: UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--into is {name!r}; the name of a table is accepted: lower-case letters, digits and _, at most "
            f"63 characters. It is made in the schema {SCHEMA}"
        )
    return f'{SCHEMA}."{name}"'


async def make_table(connections: Connections, table: str) -> None:
    """Make a table of the shape of products, unless there is one. Raises: UsageError if it has another shape.

    Without the CHECKs: they refuse nothing that products does not.
    """
    pool = await connections.database(may_write=True)
    await pool.execute(
        f"CREATE TABLE IF NOT EXISTS {table} "
        "(LIKE products INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING COMMENTS) WITH (fillfactor = 70)"
    )
    if await pool.fetch(_COLUMNS, table) != await pool.fetch(_COLUMNS, "products"):
        raise UsageError(f"{table} exists and has other columns than products; give --into another name")
    await pool.execute(f"GRANT SELECT ON {table} TO catalog_reader")


async def table_exists(connections: Connections, table: str) -> bool:
    """Return whether the table exists."""
    pool = await connections.database(may_write=True)
    return await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", table) is True


async def refuse_rows(connections: Connections, table: str) -> None:
    """Raise UsageError if a table has rows: those of another replay would stay where they are newer."""
    pool = await connections.database(may_write=True)
    if await table_exists(connections, table) and await pool.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):  # noqa: S608 checked by quoted_table
        raise UsageError(
            f"{table} has rows of another replay, and what is newer there would stay: give --into another "
            f"name, or drop it (DROP TABLE {table}). An interrupted replay into it goes on with --resume"
        )


async def count_rows(connections: Connections, table: str) -> int:
    """Return how many rows a table has."""
    pool = await connections.database(may_write=True)
    return int(await pool.fetchval(f"SELECT count(*) FROM {table}", timeout=_COUNT_SECONDS))  # noqa: S608


async def unfinished(connections: Connections, arguments: dict[str, Any]) -> Operation:
    """Return the last replay with these arguments, which did not end. Raises: UsageError if there is none."""
    for operation in await list_operations(connections, limit=_OPERATIONS_SEARCHED):
        if operation.command == COMMAND and operation.changes.get("arguments") == arguments:
            if operation.state == "done":
                raise UsageError(f"the last replay with these arguments is done: {operation.id}")
            return operation
    raise UsageError(
        "no replay with these arguments was begun; --resume needs those of the interrupted one "
        "(`catalog history --json`)"
    )


class Progress:
    """How far a replay is: all objects up to `done_through`, in the order of their keys."""

    def __init__(self, operation: Operation, done_through: str) -> None:
        self.report = Replayed()
        self._operation = operation
        self._done_through = done_through
        # Of each task that is begun: its last key, and whether it is done.
        self._tasks: dict[int, tuple[str, bool]] = {}

    def begin(self, number: int, last_key: str) -> None:
        """Note a task that begins."""
        self._tasks[number] = (last_key, False)

    def end(self, number: int, report: ReplayReport) -> None:
        """Note that a task is done."""
        self.report.add(report)
        self._tasks[number] = (self._tasks[number][0], True)
        while self._tasks:
            first = next(iter(self._tasks))
            last_key, is_done = self._tasks[first]
            if not is_done:
                break
            self._done_through = last_key
            del self._tasks[first]
        changes = self._operation.changes
        changes["done_through"] = self._done_through
        for name in ("objects", "lines", "updates", "rows_changed", "damaged", "pending_invalidations_added"):
            changes[name] = getattr(self.report, name)
        changes["findings"] = dict(self.report.findings)
        changes["refused"] = sorted(self.report.refused)


async def apply(
    connections: Connections,
    plan: Plan,
    source: Source,
    operation: Operation,
    *,
    workers: int,
    advance: Callable[[int], None],
) -> Replayed:
    """Apply the plan's objects; write down how far it is.

    `advance` is called with numbers of objects. If this is cancelled, the tasks that have begun are finished.
    """
    progress = Progress(operation, plan.after)
    loop = asyncio.get_running_loop()
    saved_at = loop.time()

    async def tasks() -> AsyncIterator[list[str]]:
        number = 0
        async for batch in batches(source, plan):
            progress.begin(number, batch[-1].key)
            number += 1
            yield [found.key for found in batch]

    async def done(number: int, report: ReplayReport) -> None:
        nonlocal saved_at
        progress.end(number, report)
        advance(report.objects)
        if loop.time() - saved_at >= _SAVE_SECONDS:
            saved_at = loop.time()
            await save(connections, operation)

    with Workers(plan, workers) as pool:
        await pool.run(Worker.apply, tasks(), done)
    return progress.report
