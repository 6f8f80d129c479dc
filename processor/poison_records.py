"""Poison records: how one that kills its process is found, and no other is taken for one (ADR 6).

A process marks a record that it tries alone, and clears the mark after it. A mark whose process did not clear
it is a death, unless that process noted that it survived.
"""

import asyncio
from collections.abc import Sequence

from processor import aggregation
from processor.errors import DependencyError, PipelineError
from processor.ports import Clock, Ports
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record
from processor.updates import Rejection

# A record has killed its processes if it comes alone, is older than this, and this many died on it.
SUSPECT_AGE_MS = 10 * 60 * 1000
DEATHS = 3
# Clearing may start as late as the deadline, so it gets extra time: a mark that stays would accuse a good
# record.
_CLEAR_SECONDS = 0.4
_NOTE_SECONDS = 0.3
# A batch does not wait longer for the marks of earlier attempts.
_TAKE_BACK_SECONDS = 1.0


def is_suspect(batch: Sequence[Record], clock: Clock) -> bool:
    """Return whether the batch is a lone record, so old that it may have killed processes before."""
    return len(batch) == 1 and clock.now_ms() - batch[0].arrival_ms > SUSPECT_AGE_MS


class NoTimeLeftError(DependencyError):
    """The record was not tried."""


async def mark(record: Record, ports: Ports, deadline: float) -> bool:
    """Mark that this process tries the record; return whether the record killed those that tried before.

    A process that could not clear its mark during an outage, but survived, is not counted if it noted so.

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


async def clear_marks(record: Record, ports: Ports, deadline: float) -> None:
    """Clear the record's marks: it did not kill this process. Raises: DependencyError."""
    try:
        async with asyncio.timeout(deadline - ports.clock.monotonic() + _CLEAR_SECONDS):
            await ports.catalog.clear_attempts(record)
    except TimeoutError:
        raise DependencyError("clearing the mark of the attempt: not finished within the time left") from None


async def note_survival(record: Record, ports: Ports) -> list[Exception]:
    """Note in S3, since the database is unavailable, that this process survived; return what failed."""
    try:
        async with asyncio.timeout(_NOTE_SECONDS):
            await ports.quarantine.note_survival(record, ports.catalog.process_id)
    except (PipelineError, TimeoutError) as error:
        return [error]
    return []


async def clear_marks_left_by_outage(ports: Ports, deadline: float) -> list[Exception]:
    """Take back the marks that this process could not clear during an outage; return what failed."""
    try:
        async with asyncio.timeout(min(_TAKE_BACK_SECONDS, deadline - ports.clock.monotonic())):
            await ports.catalog.take_back_marks()
    except Exception as error:  # noqa: BLE001 a later batch takes them back, and an error would bisect a finished one
        return [error]
    return []


def reject_killer(record: Record) -> Rejection:
    """Return the rejection, as a whole, of a record that killed its processes.

    The records in an aggregate have the identities from sub-sequence 0 on, and may be in the archive already;
    so the whole aggregate gets a separate identity.
    """
    if record.data.startswith(aggregation.MAGIC):
        record = record._replace(sub_sequence=WHOLE_AGGREGATE)
    message = f"{DEATHS} processes died while they worked on this record alone"
    return Rejection(record, Reason.KILLED_PROCESS, message)
