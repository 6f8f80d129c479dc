"""Marks of attempts: how a record that kills its process is found, and no other is taken for one (ADR 6)."""

import asyncio
from collections.abc import Sequence

from processor import aggregation
from processor.errors import DependencyError, PipelineError
from processor.ports import Clock, Ports
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record
from processor.report import BatchReport
from processor.updates import Rejection

# A record that is alone, this old and of which so many processes died has killed them.
LONE_RECORD_AGE_MS = 10 * 60 * 1000
DEATHS = 3
# Forgetting marks may begin at the deadline: left standing, they would accuse a good record.
_CLEAR_SECONDS = 0.4
_NOTE_SECONDS = 0.3
# Marks of an earlier attempt hold up no batch.
_TAKE_BACK_SECONDS = 1.0


def may_be_deadly(batch: Sequence[Record], clock: Clock) -> bool:
    """Whether the batch is a lone record that has come back for so long that it may kill its process."""
    return len(batch) == 1 and clock.now_ms() - batch[0].arrival_ms > LONE_RECORD_AGE_MS


class NoTimeLeftError(DependencyError):
    """The record was not tried."""


async def mark(record: Record, ports: Ports, deadline: float) -> bool:
    """Mark that this process tries the record; whether it killed those that tried before.

    A process that met an outage could not clear its mark, but lives: it is no death if it noted so.

    Raises: NoTimeLeftError if no mark was left; DependencyError.
    """
    left = deadline - ports.clock.monotonic()
    if left <= 0:
        raise NoTimeLeftError("mark of the attempt: no time was left to leave it")
    try:
        async with asyncio.timeout(left):
            others = await ports.catalog.mark_attempt(record)
            if len(others) >= DEATHS:
                others -= await ports.quarantine.survivors(record)
    except TimeoutError:
        raise DependencyError("mark of the attempt: not finished within the time left") from None
    return len(others) >= DEATHS


async def clear(record: Record, ports: Ports, deadline: float) -> None:
    """Forget the record's marks: it did not kill this process. Raises: DependencyError."""
    try:
        async with asyncio.timeout(deadline - ports.clock.monotonic() + _CLEAR_SECONDS):
            await ports.catalog.clear_attempts(record)
    except TimeoutError:
        raise DependencyError("clearing the mark of the attempt: not finished within the time left") from None


async def note_survival(record: Record, ports: Ports, report: BatchReport) -> None:
    """Say elsewhere than in the database, which is away, that this process lives; best effort."""
    try:
        async with asyncio.timeout(_NOTE_SECONDS):
            await ports.quarantine.note_survival(record, ports.catalog.process_id)
    except (PipelineError, TimeoutError) as error:
        report.warnings.append(error)


async def take_back(ports: Ports, report: BatchReport, deadline: float) -> None:
    """Take back the marks that an outage left standing; whatever happens, the batch is done."""
    try:
        async with asyncio.timeout(min(_TAKE_BACK_SECONDS, deadline - ports.clock.monotonic())):
            await ports.catalog.take_back_marks()
    except Exception as error:  # noqa: BLE001 the marks are taken back later, and an error would halve a done batch
        report.warnings.append(error)


def killer(record: Record) -> Rejection:
    """The rejection, as a whole, of a record that killed its processes.

    An aggregate's parts have the identities from sub-sequence 0 on, and may stand in the archive already.
    """
    if record.data.startswith(aggregation.MAGIC):
        record = record._replace(sub_sequence=WHOLE_AGGREGATE)
    message = f"{DEATHS} processes died while they worked on this record alone"
    return Rejection(record, Reason.KILLED_PROCESS, message)
