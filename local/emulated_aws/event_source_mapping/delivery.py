"""One lane of a shard: gathers batches and delivers each until it is acknowledged or discarded."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.emulated_aws.event_source_mapping.batch_response import (
    Failed,
    FailedFrom,
    InvocationResult,
    NotReached,
    Succeeded,
    parse_response,
)
from local.emulated_aws.event_source_mapping.mapping_state import MappingState
from local.emulated_aws.event_source_mapping.payload import (
    ENVELOPE_BYTES,
    PAYLOAD_LIMIT_BYTES,
    Condition,
    event_of,
    failure_body,
    failure_key,
)
from local.emulated_aws.event_source_mapping.ports import (
    DestinationUnavailableError,
    FailureDestination,
    FunctionError,
    FunctionNotReachedError,
    StreamRecord,
)
from local.emulated_aws.event_source_mapping.waiting import Notifier, backoff_seconds


@dataclass(frozen=True, slots=True)
class QueuedRecord:
    """A record on its way, with the sequence number read before it in the shard (None: it is the first)."""

    record: StreamRecord
    after: str | None
    event_bytes: int


@dataclass(slots=True)
class Batch:
    """A batch, or what splitting left of one. Its parts inherit its retries: splitting uses up none."""

    queued: list[QueuedRecord]
    retries: int = 0
    invocations: int = 0

    def split_off(self, count: int) -> "Batch":
        """Keep the first `count` records; return the others."""
        rest = Batch(self.queued[count:], self.retries, self.invocations)
        del self.queued[count:]
        return rest

    def records(self) -> list[StreamRecord]:
        return [queued.record for queued in self.queued]


class BatchDelivery:
    """Delivers the records of some of a shard's partition keys, in order.

    Nothing behind an unfinished batch is delivered. A function that errs splits its batch in halves (if
    bisecting is on and there are two records). A response that names a record acknowledges what is before it;
    what is left is delivered as a batch of its own. Anything else is a retry of the same records.

    Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html (batching),
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html (retries, discarding),
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html (splitting).
    """

    def __init__(self, shard_id: str, state: MappingState, notifier: Notifier) -> None:
        self.closed = False
        self._shard_id = shard_id
        self._state = state
        self._notifier = notifier
        self._waiting: deque[QueuedRecord] = deque()
        self._waiting_bytes = ENVELOPE_BYTES
        self._batches: list[Batch] = []
        self._window_began: datetime | None = None
        self._failures_in_a_row = 0

    def offer(self, queued: QueuedRecord) -> None:
        """Queue a record behind all others of the lane."""
        if not self._waiting and self._window_over():
            self._window_began = self._state.clock.now()
        self._waiting.append(queued)
        self._waiting_bytes += queued.event_bytes

    @property
    def full(self) -> bool:
        """Whether a whole batch waits, so that reading ahead gains nothing."""
        return (
            len(self._waiting) >= self._state.settings.batch_size or self._waiting_bytes > PAYLOAD_LIMIT_BYTES
        )

    @property
    def first_unfinished(self) -> QueuedRecord | None:
        if self._batches:
            return self._batches[0].queued[0]
        return self._waiting[0] if self._waiting else None

    async def run(self) -> None:
        """Deliver until the shard has ended or the mapping is to stop."""
        while await self._gather():
            while self._batches and not self._state.stopping:
                await self._advance()
            self._window_began = self._state.clock.now()

    async def _gather(self) -> bool:
        """Wait for a batch; False if there is none to come."""
        while not self._state.stopping:
            if self._waiting and (self.full or self.closed or self._window_over()):
                self._batches = [Batch(self._take())]
                self._notifier.notify()
                return True
            if self.closed and not self._waiting:
                return False
            if self._waiting and self._window_began is not None:
                await self._notifier.wait_until(self._window_began + self._window)
            else:
                await self._notifier.wait()
        return False

    @property
    def _window(self) -> timedelta:
        return timedelta(seconds=self._state.settings.maximum_batching_window_in_seconds)

    def _window_over(self) -> bool:
        return self._window_began is None or self._state.clock.now() >= self._window_began + self._window

    def _take(self) -> list[QueuedRecord]:
        taken: list[QueuedRecord] = []
        taken_bytes = ENVELOPE_BYTES
        while self._waiting and len(taken) < self._state.settings.batch_size:
            taken_bytes += self._waiting[0].event_bytes
            if taken and taken_bytes > PAYLOAD_LIMIT_BYTES:
                break
            taken.append(self._waiting.popleft())
            self._waiting_bytes -= taken[-1].event_bytes
        return taken

    async def _advance(self) -> None:
        """Take the first batch one step further: discard it for its age, or invoke and act on the result."""
        batch = self._batches[0]
        too_old = self._split_by_age(batch)
        if too_old:
            await self._discard(batch, "RecordAgeExceeded")
            return
        if batch.queued[0].event_bytes + ENVELOPE_BYTES > PAYLOAD_LIMIT_BYTES:
            await self._discard_too_large(batch)
            return
        match await self._invoke(batch):
            case Succeeded():
                self._acknowledge(batch, len(batch.queued))
            case NotReached():
                await self._back_off()
            case FailedFrom(done=done) if done:
                self._acknowledge(batch, done)
            case FailedFrom():
                await self._retry(batch, None, halve=self._state.settings.halve_reported_batch)
            case Failed(function_error=function_error):
                await self._retry(batch, function_error, halve=True)

    def _split_by_age(self, batch: Batch) -> bool:
        """Part records that are too old from those that are not; True if the first batch is too old."""
        now = self._state.clock.now()
        old = [
            self._state.settings.too_old((now - queued.record.arrived_at).total_seconds())
            for queued in batch.queued
        ]
        alike = next((index for index, is_old in enumerate(old) if is_old is not old[0]), len(old))
        if alike < len(old):
            self._batches.insert(1, batch.split_off(alike))
        return old[0]

    async def _invoke(self, batch: Batch) -> InvocationResult:
        counters = self._state.counters
        records = batch.records()
        counters.invocations_in_flight += 1
        try:
            response = await self._state.function.invoke(
                event_of(self._shard_id, records, self._state.settings)
            )
        except FunctionNotReachedError:
            counters.throttles += 1
            return NotReached()
        except FunctionError as error:
            batch.invocations += 1
            counters.invocations += 1
            counters.function_errors += 1
            return Failed(function_error=error.kind)
        finally:
            counters.invocations_in_flight -= 1
        batch.invocations += 1
        counters.invocations += 1
        if not self._state.settings.report_batch_item_failures:
            return Succeeded()
        result = parse_response(response, [record.sequence_number for record in records])
        counters.reported_failures += result != Succeeded()
        return result

    async def _retry(self, batch: Batch, function_error: str | None, *, halve: bool) -> None:
        """Deliver all of the batch again, in halves or whole, or discard it."""
        settings = self._state.settings
        if halve and settings.bisect_batch_on_function_error and len(batch.queued) > 1:
            self._batches.insert(1, batch.split_off(len(batch.queued) // 2))
        elif settings.retries_left(batch.retries):
            batch.retries += 1
            await self._back_off()
        else:
            await self._discard(batch, "RetryAttemptsExhausted", answered=True, function_error=function_error)

    async def _back_off(self) -> None:
        self._failures_in_a_row += 1
        settings = self._state.settings
        seconds = backoff_seconds(
            self._failures_in_a_row,
            base_seconds=settings.retry_base_seconds,
            cap_seconds=settings.retry_cap_seconds,
        )
        await self._state.pause(self._notifier, seconds)

    def _acknowledge(self, batch: Batch, count: int) -> None:
        """Finish the first records; what is left begins with all its retries."""
        self._state.counters.records_acknowledged += count
        self._finish(batch, count)
        batch.retries = batch.invocations = 0

    def _finish(self, batch: Batch, count: int) -> None:
        del batch.queued[:count]
        if not batch.queued:
            self._batches.remove(batch)
        self._failures_in_a_row = 0
        self._notifier.notify()
        self._state.changed.notify()

    async def _discard_too_large(self, batch: Batch) -> None:
        """Discard a record that no event can carry, without an invocation.

        "For records larger than 6 MiBs, Lambda processes them using an on-failure destination"
        (https://docs.aws.amazon.com/streams/latest/dev/large-records.html); recordings (ADR 8) show that AWS
        counts every retry first. Ours: no wait between these, and none without end where retries have none.
        """
        batch.invocations = max(0, self._state.settings.maximum_retry_attempts) + 1
        await self._discard(batch, "RetryAttemptsExhausted")

    async def _discard(
        self,
        batch: Batch,
        condition: Condition,
        *,
        answered: bool = False,
        function_error: str | None = None,
    ) -> None:
        """Hand the batch to the on-failure destination, then move on.

        AWS counts a destination that does not take the record (DestinationDeliveryFailures) and documents no
        more than that it discards and continues. Here the shard waits: what is discarded is never lost.
        """
        if self._state.failures is not None:
            state, now = self._state, self._state.clock.now()
            key = failure_key(state.settings.mapping_uuid, self._shard_id, now, state.new_id())
            body = failure_body(
                self._shard_id,
                batch.records(),
                state.settings,
                condition=condition,
                invocations=batch.invocations,
                answered=answered,
                function_error=function_error,
                request_id=state.new_id(),
                at=now,
            )
            if not await self._put_failure(self._state.failures, key, body):
                return
        self._state.counters.records_discarded += len(batch.queued)
        self._finish(batch, len(batch.queued))

    async def _put_failure(self, failures: FailureDestination, key: str, body: bytes) -> bool:
        """Put until it is taken; False if the mapping is to stop before."""
        while not self._state.stopping:
            try:
                await failures.put(key, body)
            except DestinationUnavailableError:
                self._state.counters.destination_delivery_failures += 1
                await self._back_off()
            else:
                return True
        return False
