"""The road of a batch: decode → archive ∥ quarantine ∥ (fold → upsert → invalidate) → answer.

Pure of drivers: everything outside comes through `ports`. A stage that fails does not stop the others;
the answer is the first record that any of them left unfinished (invariant I5).
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from processor import aggregation
from processor.errors import CacheUnavailable, CatalogRefused, DependencyFailed
from processor.fold import fold
from processor.objects import ACCEPTED
from processor.ports import Archive, Cache, Catalog, Clock, Quarantine
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Defect, Record, expand
from processor.report import BatchReport
from processor.updates import Rejection, Update, decode

# A record that is alone, this old and was tried this often without an end has killed its process.
LONE_RECORD_AGE_MS: Final = 10 * 60 * 1000
LONE_RECORD_ATTEMPTS: Final = 3
DRAIN_AT_ONCE: Final = 5_000
SLICE_RECORDS: Final = 20_000
# What is left to a cancelled stage for letting go of its connections.
_CANCEL_SECONDS: Final = 0.25
# Forgetting marks may begin at the deadline: left standing, they would accuse a good record.
_CLEAR_SECONDS: Final = 0.5
# A batch that is done waits no longer for older ones' invalidations; the schedule makes up for them.
_DRAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """The outside of a batch."""

    archive: Archive
    quarantine: Quarantine
    catalog: Catalog
    cache: Cache
    clock: Clock


async def process_batch(batch: Sequence[Record], ports: Ports, *, deadline: float) -> BatchReport:
    """Process the Kinesis records of one invocation, in order, until `deadline` on the monotonic clock.

    Never raises for what a record, the database, a bucket or the cache does: the report says it.
    """
    report = BatchReport(kinesis_records=len(batch))
    if not batch:
        return report
    if _may_be_deadly(batch, ports.clock):
        await _process_marked(batch, ports, report, deadline)
    else:
        await _process(batch, ports, report, deadline)
    return report


async def drain_missed_invalidations(catalog: Catalog, cache: Cache) -> int:
    """Make up for the oldest missed invalidations, at most `DRAIN_AT_ONCE`; how many there were.

    Raises: DependencyFailed, CacheUnavailable. What is not done then is still remembered.
    """
    missed = await catalog.missed_invalidations(DRAIN_AT_ONCE)
    if missed:
        await cache.invalidate(sorted({miss.product_id for miss in missed}))
        # Only what was read before the delete: a miss recorded since may be of a newer value.
        await catalog.forget_missed_invalidations([miss.id for miss in missed])
    return len(missed)


async def _process(batch: Sequence[Record], ports: Ports, report: BatchReport, deadline: float) -> None:
    """Process slice after slice: one for all but the largest aggregates, whose memory this bounds."""
    for records in _slices(batch, report):
        started = ports.clock.monotonic()
        if started >= deadline:
            report.failures.append(DependencyFailed("not all of the batch was begun within the time left"))
            report.first_unfinished = records[0].sequence_number
            return
        verdicts = [_decode(record, report) for record in records]
        report.add_stage_time("decode", ports.clock.monotonic() - started)
        await _store(records, verdicts, ports, report, deadline)
        if report.first_unfinished is not None:
            return
    if report.invalidations_pending and not report.invalidations_missed:
        await _make_up(ports, report, deadline)


async def _make_up(ports: Ports, report: BatchReport, deadline: float) -> None:
    """Make up for earlier batches' missed invalidations; whatever happens, this batch is done."""
    try:
        async with asyncio.timeout(min(_DRAIN_SECONDS, deadline - ports.clock.monotonic())):
            report.invalidations_made_up = await drain_missed_invalidations(ports.catalog, ports.cache)
    except Exception as error:  # noqa: BLE001 they are still recorded, and an error here would halve a done batch
        report.warnings.append(error)


def _slices(batch: Sequence[Record], report: BatchReport) -> Iterator[list[Record]]:
    """The batch's user records, in order, in lists that end with the Kinesis record that fills them."""
    records: list[Record] = []
    for received in batch:
        records += _expand(received, report)
        if len(records) >= SLICE_RECORDS:
            yield records
            records = []
    if records:
        yield records


async def _store(
    records: Sequence[Record],
    verdicts: Sequence[Update | Rejection],
    ports: Ports,
    report: BatchReport,
    deadline: float,
) -> None:
    """Archive, quarantine and upsert at once, and answer for what is unfinished at the deadline."""
    updates = [verdict for verdict in verdicts if isinstance(verdict, Update)]
    rejections = [verdict for verdict in verdicts if isinstance(verdict, Rejection)]
    report.records += len(records)
    report.accepted += len(updates)
    _count_rejections(rejections, report)
    told = [verdict.reason if isinstance(verdict, Rejection) else ACCEPTED for verdict in verdicts]
    stages: list[tuple[str, Sequence[Record], Awaitable[None]]] = [
        ("archive", records, ports.archive.put(records, told))
    ]
    if rejections:
        bad = [rejection.record for rejection in rejections]
        stages.append(("quarantine", bad, ports.quarantine.put(rejections)))
    if updates:
        good = [update.record for update in updates]
        stages.append(("catalog", good, _update_catalog(updates, ports, report)))
    unfinished = await _run_stages(stages, ports.clock, report, deadline)
    if unfinished:
        report.first_unfinished = next(record.sequence_number for record in records if record in unfinished)


async def _run_stages(
    stages: Sequence[tuple[str, Sequence[Record], Awaitable[None]]],
    clock: Clock,
    report: BatchReport,
    deadline: float,
) -> set[Record]:
    """Run the stages at once; the records of those that did not finish."""

    async def timed(name: str, stage: Awaitable[None]) -> None:
        started = clock.monotonic()
        try:
            await stage
        finally:
            report.add_stage_time(name, clock.monotonic() - started)

    tasks = {asyncio.ensure_future(timed(name, stage)): (name, of) for name, of, stage in stages}
    _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - clock.monotonic()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    unfinished: set[Record] = set()
    for task, (name, of) in tasks.items():
        if task in late:
            report.failures.append(DependencyFailed(f"{name}: not finished within the time left"))
        elif (error := task.exception()) is not None:
            _file_error(error, report)
        else:
            continue
        unfinished.update(of)
    return unfinished


def _file_error(error: BaseException, report: BatchReport) -> None:
    if isinstance(error, DependencyFailed):
        report.failures.append(error)
    elif isinstance(error, Exception):
        report.unforeseen.append(error)
    else:
        raise error


async def _update_catalog(updates: Sequence[Update], ports: Ports, report: BatchReport) -> None:
    """Fold, upsert, invalidate; isolate and quarantine what the table refuses."""
    refused: list[Rejection] = []
    await _upsert(updates, ports.catalog, report, refused)
    # Also when nothing changed: an earlier attempt may have committed and died before this.
    started = ports.clock.monotonic()
    try:
        left_out = {rejection.record for rejection in refused}
        products = sorted({update.product_id for update in updates if update.record not in left_out})
        await _invalidate(products, ports, report)
    finally:
        report.add_stage_time("invalidate", ports.clock.monotonic() - started)
    if refused:
        await ports.quarantine.put(refused)
        _count_rejections(refused, report)
        report.accepted -= len(refused)


async def _upsert(
    updates: Sequence[Update], catalog: Catalog, report: BatchReport, refused: list[Rejection]
) -> None:
    """Upsert, halving what the table refuses until the culprits stand alone: updates commute, so
    applying them in parts ends in the same rows."""
    folded = fold(updates)
    try:
        upserted = await catalog.upsert(folded.changes)
    except CatalogRefused as error:
        if len(updates) == 1:
            refused.append(
                Rejection(updates[0].record, Reason.CATALOG_REFUSED, str(error), updates[0].supplier)
            )
            return
        middle = len(updates) // 2
        await _upsert(updates[:middle], catalog, report, refused)
        await _upsert(updates[middle:], catalog, report, refused)
        return
    report.products_changed += upserted.changed
    report.stale_updates += folded.superseded + len(folded.changes) - upserted.changed
    report.invalidations_pending = upserted.invalidations_pending


async def _invalidate(products: Sequence[str], ports: Ports, report: BatchReport) -> None:
    if not products:
        return
    try:
        await ports.cache.invalidate(products)
    except CacheUnavailable as error:
        report.warnings.append(error)
        await ports.catalog.add_missed_invalidations(products)
        report.invalidations_missed += len(products)


def _expand(record: Record, report: BatchReport) -> list[Record]:
    try:
        return list(expand(record))
    except MemoryError:
        raise  # the shortage of a moment says nothing about the record
    except Exception as error:  # noqa: BLE001 whatever one record sets off must not stop the others
        return [record._replace(defect=_internal_error(error, report))]


def _decode(record: Record, report: BatchReport) -> Update | Rejection:
    try:
        return decode(record)
    except MemoryError:
        raise  # as above
    except Exception as error:  # noqa: BLE001 whatever one record sets off must not stop the others
        return Rejection(record, *_internal_error(error, report))


def _internal_error(error: Exception, report: BatchReport) -> Defect:
    report.warnings.append(error)
    return Defect(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")


def _count_rejections(rejections: Sequence[Rejection], report: BatchReport) -> None:
    report.rejected.update(rejection.reason for rejection in rejections)
    report.rejected_by_supplier.update(rejection.supplier or "unknown" for rejection in rejections)


def _may_be_deadly(batch: Sequence[Record], clock: Clock) -> bool:
    return len(batch) == 1 and clock.now_ms() - batch[0].arrival_ms > LONE_RECORD_AGE_MS


async def _process_marked(
    batch: Sequence[Record], ports: Ports, report: BatchReport, deadline: float
) -> None:
    """Try a lone old record under a mark, or quarantine it unparsed if three processes died of it."""
    record = batch[0]
    try:
        async with asyncio.timeout(deadline - ports.clock.monotonic()):
            deaths = await ports.catalog.mark_attempt(record)
        if deaths >= LONE_RECORD_ATTEMPTS:
            await _store([_unparsed(record)], [_killer(record)], ports, report, deadline)
        else:
            await _process(batch, ports, report, deadline)
        if report.first_unfinished is None or deaths < LONE_RECORD_ATTEMPTS:
            async with asyncio.timeout(deadline - ports.clock.monotonic() + _CLEAR_SECONDS):
                await ports.catalog.clear_attempts(record)
    except TimeoutError:
        report.failures.append(DependencyFailed("marks of attempts: not finished within the time left"))
        report.first_unfinished = record.sequence_number
    except Exception as error:  # noqa: BLE001 filed by kind, like a stage's error
        _file_error(error, report)
        report.first_unfinished = record.sequence_number


def _killer(record: Record) -> Rejection:
    message = f"{LONE_RECORD_ATTEMPTS} processes died while they worked on this record alone"
    return Rejection(_unparsed(record), Reason.KILLED_PROCESS, message)


def _unparsed(record: Record) -> Record:
    """The record as a whole: an aggregate's parts have the identities from sub-sequence 0 on."""
    aggregated = record.data.startswith(aggregation.MAGIC)
    return record._replace(sub_sequence=WHOLE_AGGREGATE) if aggregated else record
