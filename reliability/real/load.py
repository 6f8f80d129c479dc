"""A pipeline under a steady load of simulated suppliers and a reading shop, and what is measured of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from catalog.produce.simulation import Mix, simulated
from local.demo.verdict import Finding
from processor.reader import CatalogReader
from processor.readers import open_pool
from reliability.history import History, Put
from reliability.real.faults import AWAY
from reliability.real.pipeline import RealPipeline
from reliability.real.servers import Servers
from reliability.real.world import RealWorld

SHARDS = 4
_SCHEDULE_SECONDS = 60.0
_READ_PAUSE_SECONDS = 0.01
_SETTLED_SECONDS = 150.0
_POLL_SECONDS = 0.05
_PAGE_BYTES = 4096
_SHOWN = 3
_STATE = """
SELECT (SELECT count(*) FROM pending_invalidation) AS pending,
    (SELECT count(*) FROM pg_stat_activity WHERE usename = 'writer') AS connections,
    pg_total_relation_size('products') AS products_bytes,
    pg_total_relation_size('pending_invalidation') AS pending_bytes,
    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'products') AS dead_rows
"""


class Sample(NamedTuple):
    """The figures of a moment. What is of the database is empty while it is away.

    `records`, `errors`: of all time; an error is a batch that was not done. `memory`, `descriptors`: the most
    that any of the function's processes has.
    """

    at: float
    records: int
    errors: int
    lag_seconds: float
    memory_bytes: int
    descriptors: int
    database: Mapping[str, int]


class _NoTrace(RealWorld):
    def note(self, text: str) -> None:
        """Keep nothing: there is too much of it."""


class Load(RealPipeline):
    """The pipeline under a load. `begun`: when invocations began. `samples`: one every `sample_seconds`.

    `errors`: when and why batches were not done.
    """

    timeout_seconds = 60.0

    def __init__(self, servers: Servers, mix: Mix, *, sample_seconds: float = 1.0) -> None:
        puts = tuple(
            Put(record.due_seconds, record.key, (record.data,))
            for record in simulated(mix, datetime.now(UTC))
        )
        history = History(
            seed=mix.seed,
            shards=SHARDS,
            batch_size=100,
            parallelization=1,
            retries=-1,
            concurrency=SHARDS + 2,
            readers=0,
            age_seconds=0.0,
            cache_is_out=False,
            row_seconds=0.0,
            puts=puts,
            faults=(),
            acts=(),
        )
        super().__init__(history, servers, pace=1.0, world=_NoTrace(mix.seed))
        self.products = sorted({put.key for put in puts})
        self.begun: list[float] = []
        self.samples: list[Sample] = []
        self.errors: list[tuple[float, str]] = []
        self._sample_seconds = sample_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it during the block; the load begins."""
        await self.servers.renew()
        async with self.servers.administrator() as connection:
            await connection.execute("ALTER TABLE products DISABLE TRIGGER USER")
        try:
            async with AsyncExitStack() as stack:
                await self.open(stack)
                self.world.begin()
                self.producing = self.spawn(self.produce())
                self.start_mapping(None)
                self._observing = self.spawn(self._observe())
                self.spawn(self.drain_by_schedule(_SCHEDULE_SECONDS))
                self.spawn(self._read())
                yield
        finally:
            async with self.servers.administrator() as connection:
                await connection.execute("ALTER TABLE products ENABLE TRIGGER USER")

    def stop_sampling(self) -> None:
        """Take no more samples."""
        self._observing.cancel()

    async def until(self, seconds: float) -> None:
        """Return at that time of the run."""
        await asyncio.sleep(seconds - self.world.now)

    async def settled(self) -> None:
        """Return when all is sent and done. Raises: TimeoutError."""
        async with asyncio.timeout(_SETTLED_SECONDS):
            await self.producing
            while not self.has_read_all():  # noqa: ASYNC110 the mapping sets no event
                await asyncio.sleep(_POLL_SECONDS)

    async def none_pending(self) -> float:
        """Return when no invalidation is pending: the time."""
        async with asyncio.timeout(_SETTLED_SECONDS):
            while await self.pending():  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
        return self.world.now

    async def pending(self) -> int:
        """Return how many invalidations are pending."""
        async with self.servers.administrator() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM pending_invalidation"))

    async def judged(self) -> list[Finding]:
        """Return whether anything is lost or stale, and whether a batch failed for good."""
        await self.checker.real_stores.refresh()
        self.checker.finish()
        violations = [violation.what for violation in self.checker.violations]
        records = sum(map(len, self.checker.received.values()))
        progress = self.mapping.progress
        return [
            Finding(
                "nothing is lost, and no cached product is older than its row",
                holds=not violations,
                detail="; ".join(violations[:_SHOWN])
                or f"{records:,} records of {len(self.products):,} products",
            ),
            Finding(
                "no batch is among the failed ones",
                holds=progress.records_discarded == 0,
                detail=f"{progress.records_discarded:,} records of {progress.invocations:,} invocations",
            ),
        ]

    @property
    def failures(self) -> int:
        """How many invocations did not do all of their batch."""
        progress = self.mapping.progress
        return progress.function_errors + progress.reported_failures

    def begins(self, event: Mapping[str, Any]) -> None:
        self.begun.append(self.world.now)

    def ended(self, event: Mapping[str, Any], outcome: Any) -> None:
        """Keep nothing: the mapping counts."""

    def log(self, line: str) -> None:
        """Keep why batches were not done."""
        if '"level":"ERROR"' in line:
            self.errors.append((self.world.now, json.loads(line).get("error", line)))

    async def _observe(self) -> None:
        while True:
            await asyncio.sleep(self._sample_seconds)
            database: dict[str, int] = {}
            with suppress(*AWAY):
                async with asyncio.timeout(self._sample_seconds), self.servers.administrator() as connection:
                    (row,) = await connection.fetch(_STATE)
                    database = {name: int(value) for name, value in row.items()}
            progress = self.mapping.progress
            processes = [one.pid for one in (*self.service.idle, *self.service.busy) if one.pid is not None]
            self.samples.append(
                Sample(
                    at=self.world.now,
                    records=progress.records_acknowledged,
                    errors=self.failures,
                    lag_seconds=progress.iterator_age_ms / 1000,
                    memory_bytes=max(map(_memory_bytes, processes), default=0),
                    descriptors=max(map(_descriptors, processes), default=0),
                    database=database,
                )
            )

    async def _read(self) -> None:
        """Read products as the shop does, so that they are cached."""
        async with open_pool(self.reader_dsn, None, 3) as pool:
            reader = CatalogReader(pool, self.cache_client())
            while True:
                with suppress(*AWAY):
                    await reader.get(self.world.random.choice(self.products))
                await asyncio.sleep(_READ_PAUSE_SECONDS)


def _memory_bytes(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def holding(findings: Sequence[Finding]) -> bool:
    """Print findings; return whether all hold."""
    for finding in findings:
        print(f"{'yes' if finding.holds else 'NO '}  {finding.claim} ({finding.detail})")
    return all(finding.holds for finding in findings)
