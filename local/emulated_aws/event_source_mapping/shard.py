"""Read one shard in order, distribute its records over concurrent deliveries, and track its checkpoint."""

import asyncio
import zlib
from datetime import datetime

from local.emulated_aws.event_source_mapping.batch import QueuedRecord
from local.emulated_aws.event_source_mapping.delivery import BatchDelivery
from local.emulated_aws.event_source_mapping.mapping_state import MappingState
from local.emulated_aws.event_source_mapping.payload import record_event_bytes
from local.emulated_aws.event_source_mapping.ports import (
    IteratorExpiredError,
    Page,
    Position,
    StreamRecord,
    StreamUnavailableError,
)
from local.emulated_aws.event_source_mapping.waiting import Notifier, backoff_seconds

_READ_LIMIT = 10_000
"""GetRecords returns no more (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html)."""

_CATCH_UP_INTERVAL_SECONDS = 0.2
"""A shard allows five reads per second (same page)."""


class ShardReader:
    """A reader of one shard to its end, with `parallelization_factor` concurrent deliveries.

    All records of a partition key go to the same delivery, so they stay in order
    (https://aws.amazon.com/blogs/compute/new-aws-lambda-scaling-controls-for-kinesis-and-dynamodb-event-sources/).
    A record without a partition key has no order to keep and goes to any.
    Reading pauses while a delivery has a whole batch waiting: repeated errors block the shard.

    Attributes:
        finished: the shard is closed, read to its end, and every record acknowledged or discarded.
        tip_tick: the tick at which the newest read began that found nothing left to read.
        millis_behind_latest: as in the newest read's response.
    """

    def __init__(self, shard_id: str, position: Position, state: MappingState) -> None:
        self.finished = False
        self.tip_tick = 0
        self.millis_behind_latest = 0
        self.last_read = position.sequence_number
        self._shard_id = shard_id
        self._position = position
        self._state = state
        self._notifier = Notifier(state.clock)
        self._deliveries = [
            BatchDelivery(shard_id, state, self._notifier)
            for _ in range(state.settings.parallelization_factor)
        ]

    @property
    def checkpoint(self) -> str | None:
        """The sequence number up to which each record is acknowledged or discarded; None before the first."""
        first = self._first_unfinished()
        return self.last_read if first is None else first.after

    @property
    def oldest_unfinished_arrived_at(self) -> datetime | None:
        """When the oldest unfinished record arrived; None if there is none."""
        first = self._first_unfinished()
        return None if first is None else first.record.arrived_at

    def passed(self, sequence_number: str | None) -> bool:
        """Return whether every record up to that sequence number is acknowledged or discarded."""
        first = self._first_unfinished()
        return (
            sequence_number is None
            or first is None
            or int(first.record.sequence_number) > int(sequence_number)
        )

    def _first_unfinished(self) -> QueuedRecord | None:
        unfinished = [delivery.first_unfinished for delivery in self._deliveries]
        return min(
            (queued for queued in unfinished if queued is not None),
            key=lambda queued: int(queued.record.sequence_number),
            default=None,
        )

    def wake(self) -> None:
        """Wake every task of the shard that waits, so that it sees that the mapping is to stop."""
        self._notifier.notify()

    async def run(self) -> None:
        """Read and deliver until the shard has ended or the mapping is to stop."""
        async with asyncio.TaskGroup() as tasks:
            for delivery in self._deliveries:
                tasks.create_task(delivery.run())
            ended = await self._read_to_the_end()
        self.finished = ended and self._first_unfinished() is None

    async def _read_to_the_end(self) -> bool:
        """Read page after page; return False if the mapping is to stop before the end."""
        iterator: str | None = None
        failures = 0
        while not self._state.stopping:
            if any(delivery.full for delivery in self._deliveries):
                await self._notifier.wait()
                continue
            tick = self._state.tick()
            try:
                iterator = iterator or await self._fetch_iterator()
                page = await self._state.stream.get_records(iterator, _READ_LIMIT)
            except IteratorExpiredError:
                iterator = None
                await self._state.pause(self._notifier, _CATCH_UP_INTERVAL_SECONDS)
            except StreamUnavailableError:
                failures += 1
                await self._back_off(failures)
            else:
                failures = 0
                iterator = page.next_iterator
                if await self._accept(page, tick):
                    return True
        return False

    async def _fetch_iterator(self) -> str:
        """Return an iterator for where to begin, or to continue after an iterator has expired."""
        position = self._position
        if self.last_read is not None:
            position = Position("AFTER_SEQUENCE_NUMBER", sequence_number=self.last_read)
        requested_at = self._state.clock.now()
        iterator = await self._state.stream.shard_iterator(self._shard_id, position)
        if position.kind == "LATEST":
            # A second request for LATEST would skip the records that arrived in between.
            self._position = Position("AT_TIMESTAMP", timestamp=requested_at)
        return iterator

    async def _accept(self, page: Page, tick: int) -> bool:
        """Distribute the page and wait until the next read is due; return True at the shard's end."""
        for record in page.records:
            self._distribute(record)
        self._state.counters.records_read += len(page.records)
        self.millis_behind_latest = page.millis_behind_latest
        ended = page.next_iterator is None
        caught_up = page.millis_behind_latest == 0 and len(page.records) < _READ_LIMIT
        if ended or caught_up:
            self.tip_tick = tick
        for delivery in self._deliveries:
            delivery.closed = ended
        self._notifier.notify()
        self._state.changed.notify()
        if not ended:
            poll = self._state.settings.poll_interval_seconds
            await self._state.pause(
                self._notifier, poll if caught_up else min(poll, _CATCH_UP_INTERVAL_SECONDS)
            )
        return ended

    def _distribute(self, record: StreamRecord) -> None:
        key = record.sequence_number if record.partition_key is None else record.partition_key
        delivery = self._deliveries[zlib.crc32(key.encode()) % len(self._deliveries)]
        event_bytes = record_event_bytes(self._shard_id, record, self._state.settings)
        delivery.offer(QueuedRecord(record, self.last_read, event_bytes))
        self.last_read = record.sequence_number

    async def _back_off(self, failures: int) -> None:
        self._state.counters.read_failures += 1
        settings = self._state.settings
        seconds = backoff_seconds(
            failures, base_seconds=settings.retry_base_seconds, cap_seconds=settings.retry_cap_seconds
        )
        await self._state.pause(self._notifier, seconds)
