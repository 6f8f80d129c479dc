"""Processes that read objects of the archive, as many as there are processors.

Each keeps its event loop and its connections, and takes one task at a time.
"""

import asyncio
import gc
import itertools
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from catalog.connections import Connections, connected
from catalog.environment import Environment
from catalog.errors import CatalogError
from catalog.repair.pace import Pace
from catalog.replay.as_of import SourceWithout
from catalog.replay.restore import differing, restore
from catalog.replay.sources import BucketSource, FolderSource, Found, Source
from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database, Login
from processor.adapters.secrets import member, read_secret
from processor.adapters.upsert import PRODUCTS
from processor.archive_replay import (
    CHUNK_PRODUCTS,
    CatalogWriter,
    ReplayReport,
    Selection,
    replay_objects,
)
from processor.fold import Change

T = TypeVar("T")

# One task: so many objects or bytes, which is a second or two of work.
_OBJECTS_PER_TASK = 64
_BYTES_PER_TASK = 2 * 1024 * 1024
_OBJECTS_PER_COLLECTION = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What the workers do with which lines of which archive.

    `folder`: of the objects; None: the archive's bucket. `after`: a key; only objects after it. `limit`:
    objects at most. `table`: what is written, quoted. `rate`: products a second that each worker writes at
    most. `spill`: where folds are kept that are not written to a table. `unknown`: records that are left out
    although they are selected (`catalog.replay.as_of`). `restores`: values changed by hand are set, too.
    """

    environment: Environment
    selection: Selection
    folder: Path | None = None
    after: str = ""
    limit: int | None = None
    table: str = PRODUCTS
    rate: float | None = None
    spill: Path | None = None
    unknown: frozenset[bytes] = frozenset()
    restores: bool = False


class Worker:
    """A process's connections; a task is a function of it."""

    def __init__(self, plan: Plan, connections: Connections) -> None:
        self.plan = plan
        self._connections = connections
        self._catalog: PostgresCatalog | None = None
        self._database: Database | None = None
        self._source: Source | None = None
        self._pace = Pace(plan.rate)

    async def source(self) -> Source:
        """Return where the objects are."""
        if self._source is None:
            self._source = await open_source(self.plan, self._connections)
        return self._source

    async def catalog(self) -> PostgresCatalog:
        """Return the table, as the processor's role."""
        if self._catalog is None:
            environment = self.plan.environment
            secrets = await self._connections.aws("secretsmanager")

            async def login() -> Login:
                arn = environment.database_secret_arn
                secret = await read_secret(secrets, arn)
                return Login(
                    host=environment.database_host,
                    port=environment.database_port,
                    database=environment.database_name,
                    user=member(secret, arn, "username"),
                    password=member(secret, arn, "password"),
                )

            self._database = Database(login, self._connections.database_tls(), 1)
            self._database.allow_statements(120)
            self._catalog = PostgresCatalog(self._database, process_id="catalog", table=self.plan.table)
        return self._catalog

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Return rows, as the shop's role."""
        pool = await self._connections.database()
        return list(await pool.fetch(query, *arguments))

    async def differing(self, changes: Sequence[Change]) -> list[str]:
        """Return the products whose values would be restored, if the plan restores any."""
        if not self.plan.restores or self._database is None:
            return []
        return await differing(self._database, changes)

    async def apply(self, keys: list[str]) -> ReplayReport:
        """Apply the objects' updates to the table."""
        report = ReplayReport()
        # Nobody caches what another table holds.
        is_cached = self.plan.table == PRODUCTS
        cache = RedisCache(self._connections.cache(may_write=True)) if is_cached else None
        writer = PacedWriter(await self.catalog(), cache, SystemClock(), report)
        if self.plan.rate is not None:
            writer.slow_down(self._pace, math.ceil(self.plan.rate))
        if self.plan.restores and self._database is not None:
            writer.restore_first(partial(restore, self._database))
        await replay_objects(keys, await self.source(), writer, self.plan.selection, report)
        return report


class PacedWriter(CatalogWriter):
    """Writes as fast as it can, until it is told to slow down."""

    _pace = Pace(None)
    _at_once = CHUNK_PRODUCTS
    _restore: Callable[[Sequence[Change]], Awaitable[int]] | None = None

    def slow_down(self, pace: Pace, at_once: int) -> None:
        """Write no faster than the pace, so many products at once."""
        self._pace, self._at_once = pace, min(at_once, CHUNK_PRODUCTS)

    def restore_first(self, restoring: Callable[[Sequence[Change]], Awaitable[int]]) -> None:
        """Restore the rows of changes before those are applied, and invalidated; it returns how many."""
        self._restore = restoring

    async def write(self, changes: Sequence[Change]) -> None:
        never = asyncio.Event()
        for part in itertools.batched(changes, self._at_once):
            await self._pace.wait(len(part), never)
            if self._restore is not None:
                self._report.rows_changed += await self._restore(part)
            await super().write(part)


async def open_source(plan: Plan, connections: Connections) -> Source:
    """Return where the plan's objects are. Raises: UsageError."""
    source: Source
    if plan.folder is not None:
        source = FolderSource(plan.folder)
    else:
        source = BucketSource(await connections.aws("s3"), plan.environment.archive_bucket)
    return SourceWithout(source, plan.unknown) if plan.unknown else source


async def batches(source: Source, plan: Plan) -> AsyncIterator[list[Found]]:
    """Yield the plan's objects in lists that are one task each."""
    batch: list[Found] = []
    size, left = 0, plan.limit
    # A task that has begun is finished, even if that takes long at a low rate.
    most = _OBJECTS_PER_TASK if plan.rate is None else 1
    async for one in source.found(plan.selection, after=plan.after):
        if left == 0:
            break
        left = None if left is None else left - 1
        batch.append(one)
        size += one.size
        if len(batch) >= most or size >= _BYTES_PER_TASK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Workers:
    """The processes; used in a `with` block, after which they have ended."""

    def __init__(self, plan: Plan, count: int) -> None:
        self._count = count
        self._pool = ProcessPoolExecutor(
            count, multiprocessing.get_context("spawn"), initializer=_start, initargs=(plan,)
        )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def run(
        self,
        task: "Callable[[Worker, Any], Awaitable[T]]",
        arguments: AsyncIterator[Any],
        done: Callable[[int, T], Awaitable[None]],
    ) -> None:
        """Run the task for each argument; call `done` with its number and result, in any order.

        If this is cancelled, tasks that have begun are finished first, and `done` is called for them.
        """
        running: dict[asyncio.Future[Any], int] = {}
        numbers = itertools.count()
        try:
            async for argument in arguments:
                future = asyncio.wrap_future(self._pool.submit(_run, task, argument))
                # The first error ends the command; asyncio would print the others with their tracebacks.
                future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                running[future] = next(numbers)
                if len(running) > self._count:
                    await self._finish(running, done, asyncio.FIRST_COMPLETED)
            while running:
                await self._finish(running, done, asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._finish(running, done, asyncio.ALL_COMPLETED)
            raise

    async def _finish(
        self,
        running: "dict[asyncio.Future[Any], int]",
        done: Callable[[int, T], Awaitable[None]],
        until: str,
    ) -> None:
        if not running:
            return
        ended, _ = await asyncio.wait(running, return_when=until)
        for future in sorted(ended, key=running.__getitem__):
            number = running.pop(future)
            try:
                result = future.result()
            except BrokenExecutor as error:
                raise CatalogError("a worker process died (out of memory?); see its message above") from error
            await done(number, result)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do the work at the same time; the first error cancels the rest, and is raised when that has ended."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _run(task: "Callable[[Worker, Any], Awaitable[T]]", argument: Any) -> T:
    runner, worker = _process

    async def work() -> T:
        try:
            return await task(worker, argument)
        except (CatalogError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 it is sent to the process that prints it
            # Errors of drivers cannot all be sent to another process.
            from catalog.running import explained

            told = explained(error)
            raise told if told is not None else RuntimeError(f"{type(error).__name__}: {error}") from None

    return runner.run(work())


_process: tuple[asyncio.Runner, Worker]


def _start(plan: Plan) -> None:
    global _process
    # Ctrl-C on a terminal goes to all processes; the first one ends the others when their task is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A task makes a hundred thousand objects and no cycles: looking for those took a tenth of the time.
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    runner = asyncio.Runner()
    connections = runner.run(AsyncExitStack().enter_async_context(connected(plan.environment)))
    _process = runner, Worker(plan, connections)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
