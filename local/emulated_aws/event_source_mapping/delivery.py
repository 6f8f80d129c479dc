"""One lane of a shard: gathers batches and delivers each until it is acknowledged or discarded."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.emulated_aws.event_source_mapping.batch_response import (
    Failed,
    FailedFrom,
    NotReached,
    Succeeded,
    Verdict,
    judge,
)
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
    Record,
)
from local.emulated_aws.event_source_mapping.shared_state import Run
from local.emulated_aws.event_source_mapping.waiting import Bell, backoff_seconds


@dataclass(frozen=True, slots=True)
class Queued:
    """A record on its way, with the sequence number read before it in the shard (None: it is the first)."""

    record: Record
    after: str | None
    event_bytes: int


@dataclass(slots=True)
class Piece:
    """A batch, or what splitting left of one. Its parts inherit its retries: splitting uses up none."""

    queued: list[Queued]
    retries: int = 0
    invocations: int = 0

    def split_off(self, count: int) -> "Piece":
        """Keep the first `count` records; return the others."""
        rest = Piece(self.queued[count:], self.retries, self.invocations)
        del self.queued[count:]
        return rest

    def records(self) -> list[Record]:
        return [queued.record for queued in self.queued]


class Lane:
    """Delivers the records of some of a shard's partition keys, in order.

    Nothing behind an unfinished batch is delivered. A function that errs splits its batch in halves (if
    bisecting is on and there are two records). A response that names a record acknowledges what is before it;
    what is left is delivered as a batch of its own. Anything else is a retry of the same records.

    Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html (batching),
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html (retries, discarding),
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html (splitting).
    """

    def __init__(self, shard_id: str, run: Run, bell: Bell) -> None:
        self.closed = False
        self._shard_id = shard_id
        self._run = run
        self._bell = bell
        self._waiting: deque[Queued] = deque()
        self._waiting_bytes = ENVELOPE_BYTES
        self._pieces: list[Piece] = []
        self._window_began: datetime | None = None
        self._failures_in_a_row = 0

    def offer(self, queued: Queued) -> None:
        """Queue a record behind all others of the lane."""
        if not self._waiting and self._window_over():
            self._window_began = self._run.clock.now()
        self._waiting.append(queued)
        self._waiting_bytes += queued.event_bytes

    @property
    def full(self) -> bool:
        """Whether a whole batch waits, so that reading ahead gains nothing."""
        return (
            len(self._waiting) >= self._run.settings.batch_size or self._waiting_bytes > PAYLOAD_LIMIT_BYTES
        )

    @property
    def first_unfinished(self) -> Queued | None:
        if self._pieces:
            return self._pieces[0].queued[0]
        return self._waiting[0] if self._waiting else None

    async def run(self) -> None:
        """Deliver until the shard has ended or the mapping is to stop."""
        while await self._gather():
            while self._pieces and not self._run.stopping:
                await self._advance()
            self._window_began = self._run.clock.now()

    async def _gather(self) -> bool:
        """Wait for a batch; False if there is none to come."""
        while not self._run.stopping:
            if self._waiting and (self.full or self.closed or self._window_over()):
                self._pieces = [Piece(self._take())]
                self._bell.ring()
                return True
            if self.closed and not self._waiting:
                return False
            if self._waiting and self._window_began is not None:
                await self._bell.wait_until(self._window_began + self._window)
            else:
                await self._bell.wait()
        return False

    @property
    def _window(self) -> timedelta:
        return timedelta(seconds=self._run.settings.maximum_batching_window_in_seconds)

    def _window_over(self) -> bool:
        return self._window_began is None or self._run.clock.now() >= self._window_began + self._window

    def _take(self) -> list[Queued]:
        taken: list[Queued] = []
        taken_bytes = ENVELOPE_BYTES
        while self._waiting and len(taken) < self._run.settings.batch_size:
            taken_bytes += self._waiting[0].event_bytes
            if taken and taken_bytes > PAYLOAD_LIMIT_BYTES:
                break
            taken.append(self._waiting.popleft())
            self._waiting_bytes -= taken[-1].event_bytes
        return taken

    async def _advance(self) -> None:
        """Take the first piece one step further: discard it for its age, or invoke and act on the verdict."""
        piece = self._pieces[0]
        too_old = self._split_by_age(piece)
        if too_old:
            await self._discard(piece, "RecordAgeExceeded")
            return
        if piece.queued[0].event_bytes + ENVELOPE_BYTES > PAYLOAD_LIMIT_BYTES:
            await self._discard_too_large(piece)
            return
        match await self._invoke(piece):
            case Succeeded():
                self._acknowledge(piece, len(piece.queued))
            case NotReached():
                await self._back_off()
            case FailedFrom(done=done) if done:
                self._acknowledge(piece, done)
            case FailedFrom():
                await self._retry(piece, None, halve=self._run.settings.halve_reported_batch)
            case Failed(function_error=function_error):
                await self._retry(piece, function_error, halve=True)

    def _split_by_age(self, piece: Piece) -> bool:
        """Part records that are too old from those that are not; True if the first piece is too old."""
        now = self._run.clock.now()
        old = [
            self._run.settings.too_old((now - queued.record.arrived_at).total_seconds())
            for queued in piece.queued
        ]
        alike = next((index for index, is_old in enumerate(old) if is_old is not old[0]), len(old))
        if alike < len(old):
            self._pieces.insert(1, piece.split_off(alike))
        return old[0]

    async def _invoke(self, piece: Piece) -> Verdict:
        counters = self._run.counters
        records = piece.records()
        counters.invocations_in_flight += 1
        try:
            response = await self._run.function.invoke(event_of(self._shard_id, records, self._run.settings))
        except FunctionNotReachedError:
            counters.throttles += 1
            return NotReached()
        except FunctionError as error:
            piece.invocations += 1
            counters.invocations += 1
            counters.function_errors += 1
            return Failed(function_error=error.kind)
        finally:
            counters.invocations_in_flight -= 1
        piece.invocations += 1
        counters.invocations += 1
        if not self._run.settings.report_batch_item_failures:
            return Succeeded()
        verdict = judge(response, [record.sequence_number for record in records])
        counters.reported_failures += verdict != Succeeded()
        return verdict

    async def _retry(self, piece: Piece, function_error: str | None, *, halve: bool) -> None:
        """Deliver all of the piece again, in halves or whole, or discard it."""
        settings = self._run.settings
        if halve and settings.bisect_batch_on_function_error and len(piece.queued) > 1:
            self._pieces.insert(1, piece.split_off(len(piece.queued) // 2))
        elif settings.retries_left(piece.retries):
            piece.retries += 1
            await self._back_off()
        else:
            await self._discard(piece, "RetryAttemptsExhausted", answered=True, function_error=function_error)

    async def _back_off(self) -> None:
        self._failures_in_a_row += 1
        settings = self._run.settings
        seconds = backoff_seconds(
            self._failures_in_a_row,
            base_seconds=settings.retry_base_seconds,
            cap_seconds=settings.retry_cap_seconds,
        )
        await self._run.pause(self._bell, seconds)

    def _acknowledge(self, piece: Piece, count: int) -> None:
        """Finish the first records; what is left begins with all its retries."""
        self._run.counters.records_acknowledged += count
        self._finish(piece, count)
        piece.retries = piece.invocations = 0

    def _finish(self, piece: Piece, count: int) -> None:
        del piece.queued[:count]
        if not piece.queued:
            self._pieces.remove(piece)
        self._failures_in_a_row = 0
        self._bell.ring()
        self._run.changed.ring()

    async def _discard_too_large(self, piece: Piece) -> None:
        """Discard a record that no event can carry, without an invocation.

        "For records larger than 6 MiBs, Lambda processes them using an on-failure destination"
        (https://docs.aws.amazon.com/streams/latest/dev/large-records.html); recordings (ADR 8) show that AWS
        counts every retry first. Ours: no wait between these, and none without end where retries have none.
        """
        piece.invocations = max(0, self._run.settings.maximum_retry_attempts) + 1
        await self._discard(piece, "RetryAttemptsExhausted")

    async def _discard(
        self,
        piece: Piece,
        condition: Condition,
        *,
        answered: bool = False,
        function_error: str | None = None,
    ) -> None:
        """Hand the piece to the on-failure destination, then move on.

        AWS counts a destination that does not take the record (DestinationDeliveryFailures) and documents no
        more than that it discards and continues. Here the shard waits: what is discarded is never lost.
        """
        if self._run.failures is not None:
            run, now = self._run, self._run.clock.now()
            key = failure_key(run.settings.mapping_uuid, self._shard_id, now, run.new_id())
            body = failure_body(
                self._shard_id,
                piece.records(),
                run.settings,
                condition=condition,
                invocations=piece.invocations,
                answered=answered,
                function_error=function_error,
                request_id=run.new_id(),
                at=now,
            )
            if not await self._put_failure(self._run.failures, key, body):
                return
        self._run.counters.records_discarded += len(piece.queued)
        self._finish(piece, len(piece.queued))

    async def _put_failure(self, failures: FailureDestination, key: str, body: bytes) -> bool:
        """Put until it is taken; False if the mapping is to stop before."""
        while not self._run.stopping:
            try:
                await failures.put(key, body)
            except DestinationUnavailableError:
                self._run.counters.destination_delivery_failures += 1
                await self._back_off()
            else:
                return True
        return False
