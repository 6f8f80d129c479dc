"""What happens to a batch after its invocation: acknowledged, bisected, retried or discarded.

- The invocation succeeded: the batch is acknowledged.
- A partial batch response names a later record than the first: the records before it are acknowledged. The
  others are a new batch, with all its retries.
- The batch never reached the function (a throttle, a service error): it is sent again after a back-off. This
  uses up no retry; only the records' age ends it.
- The function failed, or its response is a complete failure: a batch of several records is bisected if
  BisectBatchOnFunctionError is on. This uses up no retry, and both halves keep the retries used so far.
  Otherwise the batch is sent again after a back-off, until MaximumRetryAttempts is used up. Then it is
  discarded to the on-failure destination.
- A partial batch response names the first record: as a failed function, but bisected only with
  `MappingSettings.bisect_reported_batch`.
- A record grows older than MaximumRecordAgeInSeconds: it is discarded without another invocation.

Sources:
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html (retries, discarding),
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html (splitting).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from local.emulated_aws.event_source_mapping.batch_response import (
    Failed,
    FailedFrom,
    InvocationResult,
    NotReached,
    Succeeded,
)
from local.emulated_aws.event_source_mapping.ports import StreamRecord
from local.emulated_aws.event_source_mapping.settings import MappingSettings


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The first `count` records are done; the others, if any, are a new batch."""

    count: int


@dataclass(frozen=True, slots=True)
class Bisect:
    """Send the first half, then the second."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the whole batch again after a back-off."""

    uses_retry: bool


@dataclass(frozen=True, slots=True)
class Discard:
    """The retries are used up; `function_error` as in `Failed`."""

    function_error: str | None


NextStep = Acknowledge | Bisect | SendAgain | Discard


def next_step(
    result: InvocationResult, *, record_count: int, retries: int, settings: MappingSettings
) -> NextStep:
    """Return what happens to a batch of `record_count` records, retried `retries` times, after `result`."""
    match result:
        case Succeeded():
            return Acknowledge(record_count)
        case FailedFrom(done=done) if done:
            return Acknowledge(done)
        case NotReached():
            return SendAgain(uses_retry=False)
        case FailedFrom():
            function_error, may_bisect = None, settings.bisect_reported_batch
        case Failed(function_error=function_error):
            may_bisect = True
    if may_bisect and settings.bisect_batch_on_function_error and record_count > 1:
        return Bisect()
    if settings.retries_left(retries):
        return SendAgain(uses_retry=True)
    return Discard(function_error)


def split_by_age(
    records: Sequence[StreamRecord], now: datetime, settings: MappingSettings
) -> tuple[bool, int]:
    """Return whether the first record is too old, and how many records from it on are alike in this."""
    too_old = [settings.too_old((now - record.arrived_at).total_seconds()) for record in records]
    alike = next((index for index, old in enumerate(too_old) if old is not too_old[0]), len(too_old))
    return too_old[0], alike
