"""Lambda's entry point: a Kinesis batch in, the partial batch response out.

`batch.process_batch` processes the batch. The other events are the schedule's, which drains pending
invalidations, and those of the operators' program, which redrive quarantined records.
"""

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from processor import redrive, runtime
from processor.batch import process_batch
from processor.errors import forget_tracebacks
from processor.pending_invalidations import drain_all
from processor.ports import Ports
from processor.records import Record, read_event
from processor.report import BatchReport

_SCHEDULES = ("aws.events", "aws.scheduler")
_MARGIN_SECONDS = 1.0
_MARGIN_SHARE = 0.2


class Context(Protocol):
    """What is needed of Lambda's context object; `aws_request_id` is logged if it is there."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the invocation."""


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Process one event.

    Returns:
        For a Kinesis batch, `{"batchItemFailures": []}` or the first unfinished sequence number in it:
        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.
        For redriven records, the same, and in `rejected` those that were rejected again: position in the
        event, from 0 → reason.
        For the schedule, `{"pending_invalidations_drained": n}`.

    Raises:
        SettingsError: an environment variable is missing or wrong.
        EventError: the event is none of the three.
        Exception: an unexpected error, so that Lambda bisects the batch.
    """
    return handle(event, context, runtime.current())


def handle(event: Any, context: Context, this_runtime: runtime.Runtime) -> dict[str, Any]:
    """Process one event with this runtime, as `handler` does with the process's own."""
    deadline = this_runtime.clock.monotonic() + budget_seconds(context)
    request_id = getattr(context, "aws_request_id", "")
    source = event.get("source") if isinstance(event, Mapping) else None
    if source in _SCHEDULES:
        return _drain(this_runtime, deadline, request_id)
    if source == redrive.SOURCE:
        return _redrive(redrive.read_redrive(event), this_runtime, deadline, request_id)
    batch = read_event(event)
    return _process(
        lambda ports: process_batch(batch, ports, deadline=deadline), this_runtime, deadline, request_id
    )


def _process(
    work: Callable[[Ports], Awaitable[BatchReport]],
    this_runtime: runtime.Runtime,
    deadline: float,
    request_id: str,
) -> dict[str, Any]:
    report = this_runtime.run(work, seconds=deadline - this_runtime.clock.monotonic())
    this_runtime.telemetry.publish_batch(
        report,
        request_id=request_id,
        connections_in_use=this_runtime.take_peak_connections(),
    )
    # The log has the tracebacks.
    _forget(*report.failures, *report.warnings, *report.unexpected)
    if report.unexpected:
        try:
            raise report.unexpected[0]
        finally:
            # The error's new traceback holds this frame, which would hold the error and the batch.
            del work, report
    if report.first_unfinished is None:
        return {"batchItemFailures": []}
    return {"batchItemFailures": [{"itemIdentifier": report.first_unfinished}]}


def _forget(*errors: Exception) -> None:
    """Drop what errors keep of a batch: in an outage each batch would leave all of it.

    An error's traceback leads to the frames that hold the batch, and to the one that holds the error; drivers
    make such cycles too. Python looks for them only after very many new objects (see `Runtime`).
    """
    if errors:
        forget_tracebacks(errors)
        gc.collect()


def _redrive(
    records: Sequence[Record], this_runtime: runtime.Runtime, deadline: float, request_id: str
) -> dict[str, Any]:
    """Process the records batch after batch, until one is not finished."""
    reasons: dict[int, str] = {}
    answer: dict[str, Any] = {}
    for batch in redrive.batches(records):

        async def work(ports: Ports, batch: Sequence[Record] = batch) -> BatchReport:
            noted = redrive.NotedRejections(ports.quarantine, records)
            report = await process_batch(batch, replace(ports, quarantine=noted), deadline=deadline)
            reasons.update(noted.reasons)
            return report

        answer = _process(work, this_runtime, deadline, request_id)
        if answer["batchItemFailures"]:
            break
    return {**answer, "rejected": {str(position): reason for position, reason in sorted(reasons.items())}}


def _drain(this_runtime: runtime.Runtime, deadline: float, request_id: str) -> dict[str, Any]:
    seconds = deadline - this_runtime.clock.monotonic()
    report = this_runtime.run(lambda ports: drain_all(ports, deadline), seconds=seconds)
    this_runtime.telemetry.publish_drain(report, request_id=request_id)
    _forget(*report.warnings)
    return {"pending_invalidations_drained": report.pending_invalidations_drained}


def budget_seconds(context: Context) -> float:
    """Return the seconds for the work of an invocation, with a margin for what follows it."""
    remaining = context.get_remaining_time_in_millis() / 1000
    return remaining - max(_MARGIN_SECONDS, _MARGIN_SHARE * remaining)
