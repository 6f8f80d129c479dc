"""Records → the stream, in calls as large as Kinesis takes; what it refuses is sent again."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from catalog.errors import CatalogError
from catalog.produce.outgoing import NO_KEY, Outgoing

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
CALL_RECORDS = 500
CALL_BYTES = 5 * 1024 * 1024
RECORD_BYTES = 1024 * 1024
# What is due within it is sent in one call.
_TICK_SECONDS = 0.05
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_MOST_REFUSALS = 30


class RefusedError(CatalogError):
    """The stream takes nothing any more."""


class Sent(NamedTuple):
    """A record that the stream took: its identity, and the line it is from."""

    line: int
    shard: str
    sequence_number: str


@dataclass(kw_only=True, slots=True)
class Sender:
    """Sends records in order; one product's last record is also the last that the stream gets.

    `pause`, `clock`, `chance`: of the world, or of a test. `sent`: how many records the stream has taken.
    `sent_again`: how many were sent more than once. `unsent`: those that the stream may not have yet;
    `last_line`: the last before them.
    """

    kinesis: Any
    stream_name: str
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    sent: int = 0
    sent_again: int = 0
    unsent: deque[Outgoing] = field(default_factory=deque)
    last_line: int = 0
    _refusals: int = 0

    async def send(self, batches: AsyncIterator[Sequence[Outgoing]]) -> AsyncGenerator[list[Sent], None]:
        """Send the batches' records as they become due; yield what each call sent. Raises: RefusedError."""
        begun = self.clock()
        async for batch in batches:
            self.unsent.extend(batch)
            self.last_line = max(self.last_line, *(record.line for record in batch), 0)
            while self.unsent and (len(self.unsent) >= CALL_RECORDS or not _may_wait(batch)):
                yield await self._call(begun)
        while self.unsent:
            yield await self._call(begun)

    async def _call(self, begun: float) -> list[Sent]:
        wait = begun + self.unsent[0].due_seconds - self.clock()
        if wait > 0:
            await self.pause(max(wait, _TICK_SECONDS))
        now = self.clock() - begun
        records: list[Outgoing] = []
        size = 0
        for record in self.unsent:
            size += record.size
            if len(records) == CALL_RECORDS or size > CALL_BYTES or record.due_seconds > now:
                break
            records.append(record)
        if not records:
            return []
        answer = await self.kinesis.put_records(
            StreamName=self.stream_name,
            Records=[{"PartitionKey": record.key, "Data": record.data} for record in records],
        )
        done, again = sort_out(records, answer["Records"])
        for _ in records:
            self.unsent.popleft()
        self.unsent.extendleft(reversed(again))
        self.sent += len(done)
        self.sent_again += len(again)
        await self._back_off(answer["Records"], again, made_progress=bool(done))
        return done

    async def _back_off(
        self, results: Sequence[Any], again: Sequence[Outgoing], *, made_progress: bool
    ) -> None:
        """Wait after a refusal, longer each time, by chance, so that producers do not return together."""
        if not again:
            self._refusals = 0
            return
        self._refusals = 1 if made_progress else self._refusals + 1
        if self._refusals > _MOST_REFUSALS:
            why = next(
                (each.get("ErrorMessage") for each in results if each.get("ErrorCode")), "no reason given"
            )
            raise RefusedError(f"the stream refused the same records {_MOST_REFUSALS} times: {why}")
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._refusals)
        await self.pause(self.chance() * longest)


def sort_out(records: Sequence[Outgoing], results: Sequence[Any]) -> tuple[list[Sent], list[Outgoing]]:
    """Return what is done of a call, and what must be sent again, in order.

    A call may refuse one record and take a later one of the same product, and promises no order. Then the
    later ones are sent again, too, so that the product's last record is the last: duplicates change nothing.
    """
    done, again = [], []
    newest: dict[str, tuple[str, int]] = {}
    disordered: set[str] = set()
    for record, result in zip(records, results, strict=True):
        shard, number = result.get("ShardId"), int(result.get("SequenceNumber") or -1)
        same_shard, before = newest.get(record.key, (shard, -1))
        has_order = record.key != NO_KEY
        is_earlier = has_order and shard == same_shard and number < before
        if number < 0 or record.key in disordered or is_earlier:
            again.append(record)
            if has_order:
                disordered.add(record.key)
        else:
            newest[record.key] = (shard, number)
            done.append(Sent(record.line, shard, result["SequenceNumber"]))
    return done, again


def _may_wait(batch: Sequence[Outgoing]) -> bool:
    # A full batch is followed by more at once; a smaller one comes from a pipe that may be silent for long.
    return len(batch) >= CALL_RECORDS


async def paced(batches: AsyncIterator[Sequence[Outgoing]], rate: int) -> AsyncIterator[Sequence[Outgoing]]:
    """Yield the same records, each due when it is its turn at so many a second."""
    number = 0
    async for batch in batches:
        yield [record._replace(due_seconds=(number + n) / rate) for n, record in enumerate(batch)]
        number += len(batch)
