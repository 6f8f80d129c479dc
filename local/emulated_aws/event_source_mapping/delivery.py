"""Gather a shard's records into batches and deliver each until it is acknowledged or discarded."""

from collections import deque
from datetime import datetime, timedelta

from local.emulated_aws.event_source_mapping.batch import Batch, QueuedRecord
from local.emulated_aws.event_source_mapping.batch_response import (
    Failed,
    InvocationResult,
    NotReached,
    Succeeded,
    parse_response,
)
from local.emulated_aws.event_source_mapping.bisect_and_retry import (
    Acknowledge,
    Bisect,
    Discard,
    SendAgain,
    next_step,
    split_by_age,
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
)
from local.emulated_aws.event_source_mapping.waiting import Notifier, backoff_seconds


class BatchDelivery:
    """Delivers the records of some of a shard's partition keys, in order, one batch at a time.

    Nothing behind an unfinished batch is delivered. `bisect_and_retry` has the rules for a failed batch.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html (batching).
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
        """Queue a record behind all others."""
        if not self._waiting and self._window_over():
            self._window_began = self._state.clock.now()
        self._waiting.append(queued)
        self._waiting_bytes += queued.event_bytes

    @property
    def full(self) -> bool:
        """Whether a whole batch is waiting, so that reading ahead gains nothing."""
        return (
            len(self._waiting) >= self._state.settings.batch_size or self._waiting_bytes > PAYLOAD_LIMIT_BYTES
        )

    @property
    def first_unfinished(self) -> QueuedRecord | None:
        """The first record that is neither acknowledged nor discarded; None if there is none."""
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
        """Wait for a batch; return False if none will come."""
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
        """Send the first batch to the function, or discard it, and act on the result."""
        batch, settings = self._batches[0], self._state.settings
        too_old, alike = split_by_age(batch.records(), self._state.clock.now(), settings)
        if alike < len(batch.queued):
            self._batches.insert(1, batch.split_off(alike))
        if too_old:
            await self._discard(batch, "RecordAgeExceeded")
            return
        if batch.queued[0].event_bytes + ENVELOPE_BYTES > PAYLOAD_LIMIT_BYTES:
            await self._discard_too_large(batch)
            return
        result = await self._invoke(batch)
        match next_step(result, record_count=len(batch.queued), retries=batch.retries, settings=settings):
            case Acknowledge(count=count):
                self._acknowledge(batch, count)
            case Bisect():
                self._batches.insert(1, batch.split_off(len(batch.queued) // 2))
            case SendAgain(uses_retry=uses_retry):
                batch.retries += uses_retry
                await self._back_off()
            case Discard(function_error=function_error):
                await self._discard(
                    batch, "RetryAttemptsExhausted", answered=True, function_error=function_error
                )

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
        """Finish the first `count` records; the others begin with all their retries."""
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
        """Discard a record that is too large for an event, without an invocation.

        "For records larger than 6 MiBs, Lambda processes them using an on-failure destination"
        (https://docs.aws.amazon.com/streams/latest/dev/large-records.html). Recordings (ADR 8) show that AWS
        counts every retry first. Here there is no wait between them, and with infinite retries one invocation
        is recorded.
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
        """Send the batch to the on-failure destination, then continue.

        If the destination fails, AWS counts that (DestinationDeliveryFailures) and, as far as it documents,
        drops the batch. Here the shard waits instead, so that no batch is lost.
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
        """Put until it is taken; return False if the mapping is to stop before."""
        while not self._state.stopping:
            try:
                await failures.put(key, body)
            except DestinationUnavailableError:
                self._state.counters.destination_delivery_failures += 1
                await self._back_off()
            else:
                return True
        return False
