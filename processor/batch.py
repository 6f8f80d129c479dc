"""How a batch is processed: decode → archive ∥ quarantine ∥ (fold → upsert → invalidate) → response.

Imports no driver: everything outside comes through `ports`. A stage that fails does not stop the others; the
response names the first record that any of them left unfinished (invariant I5).
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor import poison_records
from processor.catalog_stage import CatalogStage
from processor.errors import DependencyError
from processor.pending_invalidations import drain_page
from processor.ports import Clock, Ports
from processor.records import Record
from processor.report import BatchReport
from processor.s3_objects import ACCEPTED
from processor.slices import decode_all, slices
from processor.updates import Rejection, Update

# What the first stage asks for is on its way while the next one prepares. Of fewer records than this, S3's
# answer comes last, so the archive is first; of more, the database's.
_CATALOG_FIRST = 2_500
# How long a cancelled stage may take to release its connections.
_CANCEL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """Work on some records; `done` are those that are safe even if the work does not end."""

    name: str
    records: Sequence[Record]
    work: Awaitable[None]
    done: set[Record] = field(default_factory=set)


class _StagesResult(NamedTuple):
    """How stages ended: the records they left unfinished, why, and the seconds that each stage took."""

    unfinished: set[Record]
    errors: list[BaseException]
    seconds: dict[str, float]


async def process_batch(batch: Sequence[Record], ports: Ports, *, deadline: float) -> BatchReport:
    """Process the Kinesis records of one invocation, in order, until `deadline` on the monotonic clock.

    Never raises for what a record, the database, a bucket or the cache does; the report says it.
    """
    report = BatchReport(kinesis_records=len(batch))
    if not batch:
        return report
    if poison_records.is_suspect(batch, ports.clock):
        await _process_suspect(batch[0], ports, report, deadline)
    else:
        await _process(batch, ports, report, deadline)
    if report.first_unfinished is None:
        report.warnings += await poison_records.clear_marks_left_by_outage(ports, deadline)
    return report


async def _process(batch: Sequence[Record], ports: Ports, report: BatchReport, deadline: float) -> None:
    """Process slice after slice, until one is not finished."""
    for records in slices(batch, report.warnings):
        started = ports.clock.monotonic()
        if started >= deadline:
            report.add_error(DependencyError("not all of the batch was begun within the time left"))
            report.first_unfinished = records[0].sequence_number
            return
        outcomes = decode_all(records, report.warnings)
        report.add_stage_time("decode", ports.clock.monotonic() - started)
        await _store(records, outcomes, ports, report, deadline)
        if report.first_unfinished is not None:
            return
    # Not if this batch could not reach the cache itself.
    if report.has_pending_invalidations and not report.pending_invalidations_added:
        report.add_drain(await drain_page(ports, deadline))


async def _process_suspect(record: Record, ports: Ports, report: BatchReport, deadline: float) -> None:
    """Process a record that is alone and old, after marking the attempt.

    If three processes died while they worked on it, it is quarantined unparsed.
    """
    try:
        has_killed = await poison_records.mark(record, ports, deadline)
        if has_killed:
            rejection = poison_records.reject_killer(record)
            await _store([rejection.record], [rejection], ports, report, deadline)
        else:
            await _process([record], ports, report, deadline)
        # A killer keeps its marks until it is in quarantine; any other record loses them now.
        if report.first_unfinished is None or not has_killed:
            await poison_records.clear_marks(record, ports, deadline)
    except Exception as error:  # noqa: BLE001 the report decides what the handler does with it
        report.add_error(error)
        report.first_unfinished = record.sequence_number
        if not isinstance(error, poison_records.NoTimeLeftError):
            report.warnings += await poison_records.note_survival(record, ports)


async def _store(
    records: Sequence[Record],
    outcomes: Sequence[Update | Rejection],
    ports: Ports,
    report: BatchReport,
    deadline: float,
) -> None:
    """Archive, quarantine and upsert concurrently; report what was done and what is unfinished."""
    updates = [outcome for outcome in outcomes if isinstance(outcome, Update)]
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    codes = [outcome.reason if isinstance(outcome, Rejection) else ACCEPTED for outcome in outcomes]
    # After the cache has failed for one slice, the others do not wait for it.
    skip_cache = report.pending_invalidations_added > 0
    catalog = CatalogStage(updates, ports, deadline, skip_cache=skip_cache)
    stages = [_Stage(name="archive", records=records, work=ports.archive.put(records, codes))]
    if updates:
        good = [update.record for update in updates]
        place = 0 if len(records) >= _CATALOG_FIRST else 1
        stages.insert(place, _Stage(name="catalog", records=good, work=catalog.run(), done=catalog.done))
    if rejections:
        bad = [rejection.record for rejection in rejections]
        stages.append(_Stage(name="quarantine", records=bad, work=ports.quarantine.put(rejections)))
    result = await _run_stages(stages, ports.clock, deadline)
    report.records += len(records)
    report.accepted += len(updates)
    report.count_rejections(rejections)
    report.add_catalog(catalog.result)
    for name, seconds in result.seconds.items():
        report.add_stage_time(name, seconds)
    for error in result.errors:
        report.add_error(error)
    if result.unfinished:
        report.first_unfinished = next(
            record.sequence_number for record in records if record in result.unfinished
        )


async def _run_stages(stages: Sequence[_Stage], clock: Clock, deadline: float) -> _StagesResult:
    """Run the stages concurrently; cancel those that are late."""
    seconds: dict[str, float] = {}

    async def timed(stage: _Stage) -> None:
        started = clock.monotonic()
        try:
            await stage.work
        finally:
            seconds[stage.name] = clock.monotonic() - started

    tasks = {asyncio.ensure_future(timed(stage)): stage for stage in stages}
    _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - clock.monotonic()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    unfinished: set[Record] = set()
    errors: list[BaseException] = []
    for task, stage in tasks.items():
        error: BaseException | None
        if task in late:
            error = DependencyError(f"{stage.name}: not finished within the time left")
        else:
            error = task.exception()
        if error is not None:
            errors.append(error)
            unfinished.update(record for record in stage.records if record not in stage.done)
    return _StagesResult(unfinished, errors, seconds)
