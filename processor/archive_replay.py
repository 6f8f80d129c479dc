"""Objects of the archive → changes → rows: the part that `catalog replay` and the function share.

Folding commutes and the upsert keeps what is newer, so objects may come in any order, in any chunks, and
more than once, and the processor may go on meanwhile (invariant I1).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.archive_lines import UNREADABLE, Finding, judge, read_line
from processor.errors import (
    CacheUnavailableError,
    CatalogRefusedError,
    DamagedObjectError,
    DependencyError,
    StatementTimeoutError,
)
from processor.fold import Change, Folding, fold
from processor.ports import ArchivedObjects, Cache, Catalog, Clock
from processor.updates import Update

# Of one chunk, which is in memory with the one that is being written.
CHUNK_PRODUCTS = 20_000
# Objects that are read at the same time, which hides how long S3 takes to answer.
_READERS = 8
_PRODUCTS_PER_STATEMENT = 5_000
_ONE_BY_ONE = 1_000
# An attempt has half of it.
_STATEMENT_SECONDS = 60.0
_INVALIDATION_SECONDS = 5.0
# Of findings and damaged objects that are shown; all are counted.
SAMPLE = 20


class Selection(NamedTuple):
    """Which lines count: those that arrived from `begin_ms` until before `end_ms`, of these products."""

    begin_ms: int = 0
    end_ms: int = 2**63
    products: frozenset[str] | None = None


@dataclass(kw_only=True, slots=True)
class ReplayReport:
    """Counts of what was read and written.

    `outside`: lines that the selection leaves out. `findings`: lines that were not applied, by kind, and
    `damaged` objects, none of whose lines were. `refused`: products with an update that the table refuses;
    their other updates were applied.
    """

    objects: int = 0
    lines: int = 0
    outside: int = 0
    rejected: int = 0
    updates: int = 0
    rows_changed: int = 0
    pending_invalidations_added: int = 0
    newest_arrival_ms: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    damaged: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was selected could be applied."""
        return not (self.findings or self.damaged or self.refused)

    def add(self, other: "ReplayReport") -> None:
        """Add another's counts."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.newest_arrival_ms = max(self.newest_arrival_ms, other.newest_arrival_ms)
        self.findings += other.findings
        for product_id, message in other.refused.items():
            if len(self.refused) < SAMPLE:
                self.refused.setdefault(product_id, message)
        self.samples += other.samples[: SAMPLE - len(self.samples)]

    def note(self, key: str, finding: Finding) -> None:
        """Count a finding; keep it as a sample if there are few."""
        self.findings[finding.kind] += 1
        if len(self.samples) < SAMPLE:
            where = "" if finding.line is None else f", sequence number {finding.line.record.sequence_number}"
            self.samples.append(f"{key}{where}: {finding.message}")

    def note_damage(self, error: DamagedObjectError) -> None:
        """Count a damaged object."""
        self.damaged += 1
        if len(self.samples) < SAMPLE:
            self.samples.append(str(error))


_COUNTS = (
    "objects",
    "lines",
    "outside",
    "rejected",
    "updates",
    "rows_changed",
    "pending_invalidations_added",
    "damaged",
)

WriteChunk = Callable[[list[Change]], Awaitable[None]]


class ObjectFolder:
    """Reads objects and folds their updates, chunk after chunk.

    Args:
        write: called with each chunk's changes, ordered by product, one call at a time.
        check_time: called before each object; may raise.
    """

    def __init__(
        self,
        objects: ArchivedObjects,
        selection: Selection,
        report: ReplayReport,
        write: WriteChunk,
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self._objects = objects
        self._selection = selection
        self._report = report
        self._write = write
        self._check_time = check_time
        self._folding = Folding()
        self._writing = asyncio.Lock()

    async def run(self, keys: Iterable[str]) -> None:
        """Fold the objects, and write all chunks. Raises: DependencyError."""
        await _at_once(self._read(key) for key in keys)
        await self._flush()

    async def _read(self, key: str) -> None:
        self._check_time()
        self._report.objects += 1
        try:
            async for lines in self._objects.lines(key):
                self._folding.add(updates_of(key, lines, self._selection, self._report))
                if len(self._folding) >= CHUNK_PRODUCTS:
                    await self._flush()
        except DamagedObjectError as error:
            self._report.note_damage(error)

    async def _flush(self) -> None:
        async with self._writing:
            folding, self._folding = self._folding, Folding()
            if len(folding):
                await self._write(folding.changes())


def updates_of(
    key: str, lines: Iterable[bytes], selection: Selection, report: ReplayReport
) -> Iterator[Update]:
    """Yield the updates of an object's lines that count; count all lines in `report`."""
    begin_ms, end_ms, products = selection
    for text in lines:
        report.lines += 1
        line = read_line(text)
        if line is None:
            report.note(key, Finding(UNREADABLE, None, "a line that the processor does not write"))
            continue
        arrival_ms = line.record.arrival_ms
        if not begin_ms <= arrival_ms < end_ms:
            report.outside += 1
            continue
        if arrival_ms > report.newest_arrival_ms:
            report.newest_arrival_ms = arrival_ms
        outcome = judge(line)
        if outcome is None:
            report.rejected += 1
        elif isinstance(outcome, Finding):
            report.note(key, outcome)
        elif products is not None and outcome.product_id not in products:
            report.outside += 1
        else:
            report.updates += 1
            yield outcome


class CatalogWriter:
    """Applies chunks of changes to the table and invalidates their products.

    All of a chunk's products are invalidated, as a batch does it, also those that did not change: an earlier
    attempt may have committed and died before that.

    Args:
        cache: None if nobody caches what the table holds.
        deadline: on the monotonic clock; None if there is none.
    """

    def __init__(
        self,
        catalog: Catalog,
        cache: Cache | None,
        clock: Clock,
        report: ReplayReport,
        deadline: float | None = None,
    ) -> None:
        self._catalog = catalog
        self._cache = cache
        self._clock = clock
        self._report = report
        self._deadline = deadline
        # A row that is newer already is only read: an upsert would lock it and write its page.
        self._ask_first = True

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply a chunk. Raises: DependencyError."""
        for part in _parts(changes, _PRODUCTS_PER_STATEMENT):
            try:
                await self._apply(part)
            finally:
                await self._invalidate([change.product_id for change in part])

    async def write_one_by_one(self, updates: Sequence[Update]) -> None:
        """Apply each update that the table does not refuse, without folding: a fold may drop a good one."""
        ordered = sorted(updates, key=lambda update: update.product_id)
        changes = [fold([update]).changes[0] for update in ordered]
        for part in _parts(changes, _ONE_BY_ONE):
            await self._apply_one_by_one(part)
        await self._invalidate(sorted({change.product_id for change in changes}))

    async def _apply(self, part: Sequence[Change]) -> None:
        try:
            changes, changed = list(part), 0
            if self._ask_first:
                changes = await self._catalog.outdated(part, within_seconds=self._seconds())
            if changes:
                changed = (await self._catalog.upsert(changes, within_seconds=self._seconds())).changed
            self._report.rows_changed += changed
            self._ask_first = changed < len(part) / 2
        except StatementTimeoutError:
            if len(part) == 1:
                raise
            for half in _parts(part, (len(part) + 1) // 2):
                await self._apply(half)
        except CatalogRefusedError:
            for some in _parts(part, _ONE_BY_ONE):
                await self._apply_one_by_one(some)

    async def _apply_one_by_one(self, part: Sequence[Change]) -> None:
        upserted, refusals = await self._catalog.upsert_one_by_one(part, within_seconds=self._seconds())
        self._report.rows_changed += upserted.changed
        for refusal in refusals:
            self._report.refused[part[refusal.position].product_id] = refusal.message

    async def _invalidate(self, product_ids: Sequence[str]) -> None:
        if self._cache is None:
            return
        try:
            await self._cache.invalidate(product_ids, within_seconds=_INVALIDATION_SECONDS)
        except CacheUnavailableError:
            await self._catalog.add_pending_invalidations(product_ids)
            self._report.pending_invalidations_added += len(product_ids)

    def _seconds(self) -> float:
        if self._deadline is None:
            return _STATEMENT_SECONDS
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise DependencyError("not all of the objects were replayed within the time left")
        return min(left, _STATEMENT_SECONDS)


async def replay_objects(
    keys: Sequence[str],
    objects: ArchivedObjects,
    writer: CatalogWriter,
    selection: Selection,
    report: ReplayReport,
    check_time: Callable[[], None] = lambda: None,
) -> None:
    """Apply the objects' updates. Raises: DependencyError; then the same again is safe, and needed."""
    await ObjectFolder(objects, selection, report, writer.write, check_time).run(keys)
    if not report.refused:
        return
    # The table refused the newest value of some fields; older ones in these objects may be good.
    again = Selection(selection.begin_ms, selection.end_ms, frozenset(report.refused))
    for key in keys:
        check_time()
        try:
            async for lines in objects.lines(key):
                updates = list(updates_of(key, lines, again, ReplayReport()))
                if updates:
                    await writer.write_one_by_one(updates)
        except DamagedObjectError:
            continue  # counted the first time


def _parts(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


async def _at_once(work: Iterable[Awaitable[None]]) -> None:
    """Do the work, some of it at the same time; the first error ends all."""
    waiting = iter(work)

    async def reader() -> None:
        for one in waiting:
            await one

    readers = [asyncio.create_task(reader()) for _ in range(_READERS)]
    try:
        await asyncio.gather(*readers)
    finally:
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
