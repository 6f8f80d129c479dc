"""The road of a batch: decode → archive ∥ quarantine ∥ (fold → upsert → invalidate) → answer.

Pure of drivers: everything outside comes through `ports`. A stage that fails does not stop the others;
the answer is the first record that any of them left unfinished (invariant I5).
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field

from processor import attempts
from processor.catalog_stage import CatalogStage
from processor.characters import MOST_ESCAPED_BYTES
from processor.errors import DependencyError
from processor.pending_invalidations import drain_page
from processor.ports import Clock, Ports
from processor.reasons import Reason
from processor.records import Defect, Record, expand
from processor.report import BatchReport
from processor.s3_objects import ACCEPTED
from processor.updates import Rejection, Update, decode

SLICE_RECORDS = 20_000
# Of lines in one object, in archive or quarantine: four times as much is held at once. No batch of records
# that are not aggregated reaches it, unless their partition keys are hostile.
SLICE_BYTES = 16 * 1024 * 1024
# What a line holds besides key and data: the identity, and in quarantine the message.
_LINE_BYTES = 400
# What is left to a cancelled stage for letting go of its connections.
_CANCEL_SECONDS = 0.25
# Of a batch of thousands of such records; their number is in the figures.
_MOST_WARNINGS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """Work on some records; `done` are those that are safe even if the work does not end."""

    name: str
    records: Sequence[Record]
    work: Awaitable[None]
    done: set[Record] = field(default_factory=set)


async def process_batch(batch: Sequence[Record], ports: Ports, *, deadline: float) -> BatchReport:
    """Process the Kinesis records of one invocation, in order, until `deadline` on the monotonic clock.

    Never raises for what a record, the database, a bucket or the cache does: the report says it.
    """
    report = BatchReport(kinesis_records=len(batch))
    if not batch:
        return report
    if attempts.may_be_deadly(batch, ports.clock):
        await _process_marked(batch, ports, report, deadline)
    else:
        await _process(batch, ports, report, deadline)
    if report.first_unfinished is None:
        await attempts.take_back(ports, report, deadline)
    return report


async def _process(batch: Sequence[Record], ports: Ports, report: BatchReport, deadline: float) -> None:
    """Process slice after slice: one for all but large aggregates, whose memory this bounds."""
    for records in _slices(batch, report):
        started = ports.clock.monotonic()
        if started >= deadline:
            report.failures.append(DependencyError("not all of the batch was begun within the time left"))
            report.first_unfinished = records[0].sequence_number
            return
        verdicts = [_decode(record, report) for record in records]
        report.add_stage_time("decode", ports.clock.monotonic() - started)
        await _store(records, verdicts, ports, report, deadline)
        if report.first_unfinished is not None:
            return
    if report.has_pending_invalidations and not report.pending_invalidations_added:
        drained = await drain_page(ports, deadline)
        report.pending_invalidations_drained = drained.pending_invalidations_drained
        report.warnings += drained.warnings


def _slices(batch: Sequence[Record], report: BatchReport) -> Iterator[list[Record]]:
    """The batch's user records, in order, in lists that each end with the record that fills it.

    A slice may end within an aggregate. Where depends on the records alone, so that the same batch again has
    the same slices, and makes the same objects.
    """
    records: list[Record] = []
    left = SLICE_BYTES
    for received in batch:
        for record in _expand(received, report):
            records.append(record)
            left -= _line_bytes(record)
            if left <= 0 or len(records) >= SLICE_RECORDS:
                yield records
                records, left = [], SLICE_BYTES
    if records:
        yield records


def _line_bytes(record: Record) -> int:
    """About what a record takes in archive or quarantine: its data in base64, its partition key in JSON."""
    key = record.partition_key or ""
    escaped = len(key) if key.isascii() and key.isprintable() else len(key) * MOST_ESCAPED_BYTES
    return _LINE_BYTES + escaped + len(record.data) * 4 // 3


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
    report.count_rejections(rejections)
    told = [verdict.reason if isinstance(verdict, Rejection) else ACCEPTED for verdict in verdicts]
    stages = [_Stage(name="archive", records=records, work=ports.archive.put(records, told))]
    if rejections:
        bad = [rejection.record for rejection in rejections]
        stages.append(_Stage(name="quarantine", records=bad, work=ports.quarantine.put(rejections)))
    if updates:
        good = [update.record for update in updates]
        catalog = CatalogStage(updates, ports, report, deadline)
        stages.append(_Stage(name="catalog", records=good, work=catalog.run(), done=catalog.done))
    unfinished = await _run_stages(stages, ports.clock, report, deadline)
    if unfinished:
        report.first_unfinished = next(record.sequence_number for record in records if record in unfinished)


async def _run_stages(
    stages: Sequence[_Stage], clock: Clock, report: BatchReport, deadline: float
) -> set[Record]:
    """Run the stages at once; the records that they did not finish."""

    async def timed(stage: _Stage) -> None:
        started = clock.monotonic()
        try:
            await stage.work
        finally:
            report.add_stage_time(stage.name, clock.monotonic() - started)

    tasks = {asyncio.ensure_future(timed(stage)): stage for stage in stages}
    _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - clock.monotonic()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    unfinished: set[Record] = set()
    for task, stage in tasks.items():
        if task in late:
            report.failures.append(DependencyError(f"{stage.name}: not finished within the time left"))
        elif (error := task.exception()) is not None:
            _file_error(error, report)
        else:
            continue
        unfinished.update(record for record in stage.records if record not in stage.done)
    return unfinished


def _file_error(error: BaseException, report: BatchReport) -> None:
    if isinstance(error, DependencyError):
        report.failures.append(error)
    elif isinstance(error, Exception):
        report.unforeseen.append(error)
    else:
        raise error


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
    if len(report.warnings) < _MOST_WARNINGS:
        # Without its traceback, which would keep what the record was taken apart into.
        report.warnings.append(error.with_traceback(None))
    return Defect(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")


async def _process_marked(
    batch: Sequence[Record], ports: Ports, report: BatchReport, deadline: float
) -> None:
    """Try a lone old record under a mark, or quarantine it unparsed if three processes died of it."""
    record = batch[0]
    try:
        killer = await attempts.mark(record, ports, deadline)
        if killer:
            rejection = attempts.killer(record)
            await _store([rejection.record], [rejection], ports, report, deadline)
        else:
            await _process(batch, ports, report, deadline)
        if report.first_unfinished is None or not killer:
            await attempts.clear(record, ports, deadline)
    except Exception as error:  # noqa: BLE001 filed by kind, like a stage's error
        _file_error(error, report)
        report.first_unfinished = record.sequence_number
        if not isinstance(error, attempts.NoTimeLeftError):
            await attempts.note_survival(record, ports, report)
