"""A simulation to run a mapping in: simulated time, a stream in memory, a scripted function."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from local.emulated_aws.event_source_mapping import (
    DestinationUnavailableError,
    EventSourceMapping,
    IteratorExpiredError,
    MappingSettings,
    Page,
    Position,
    Shard,
    StartingPosition,
    StreamRecord,
    StreamUnavailableError,
)

BEGINNING = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SHARD = "shardId-000000000000"

SETTINGS = MappingSettings(
    mapping_uuid="5f2a0b1c-0000-4000-8000-000000000001",
    stream_arn="arn:aws:kinesis:us-east-2:123456789012:stream/inventory-updates-dev",
    function_arn="arn:aws:lambda:us-east-2:123456789012:function:inventory-processor-dev",
    role_arn="arn:aws:iam::123456789012:role/inventory-processor-dev",
    starting_position=StartingPosition.TRIM_HORIZON,
    report_batch_item_failures=True,
)


class SimulatedClock:
    """The loop's time, counted from BEGINNING."""

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @property
    def seconds(self) -> float:
        return round(asyncio.get_running_loop().time(), 3)


@dataclass
class _StoredShard:
    parents: tuple[str, ...]
    records: list[StreamRecord] = field(default_factory=list)
    closed: bool = False


class MemoryStream:
    """A stream whose sequence numbers begin at 8, so that their order as text is soon wrong."""

    def __init__(self, clock: SimulatedClock, shard_count: int = 1) -> None:
        self.page_size = 10_000
        self.fail_reads = 0
        self.fail_listings = 0
        self.read_at: list[float] = []
        self._clock = clock
        self._numbers = itertools.count(8)
        self._issued = 0
        self._expired = 0
        self._shards: dict[str, _StoredShard] = {}
        for _ in range(shard_count):
            self._add_shard()

    def _add_shard(self, *parents: str) -> str:
        shard_id = f"shardId-{len(self._shards):012}"
        self._shards[shard_id] = _StoredShard(parents)
        return shard_id

    def put(
        self, *keys: str | None, shard: str = SHARD, data: bytes = b"{}", age_seconds: float = 0
    ) -> Sequence[str]:
        """Put one record for each partition key; return the sequence numbers."""
        assert not self._shards[shard].closed
        numbers = []
        for key in keys:
            numbers.append(str(next(self._numbers)))
            arrived_at = self._clock.now() - timedelta(seconds=age_seconds)
            self._shards[shard].records.append(StreamRecord(numbers[-1], key, data, arrived_at))
        return numbers

    def split(self, shard: str) -> tuple[str, str]:
        self._shards[shard].closed = True
        return self._add_shard(shard), self._add_shard(shard)

    def merge(self, shard: str, adjacent: str) -> str:
        self._shards[shard].closed = self._shards[adjacent].closed = True
        return self._add_shard(shard, adjacent)

    def trim(self, shard: str) -> None:
        """Remove a shard from the listing, as when its records are past their retention."""
        del self._shards[shard]

    def expire_iterators(self) -> None:
        self._expired = self._issued

    def stored(self) -> dict[str, list[StreamRecord]]:
        return {shard_id: list(shard.records) for shard_id, shard in self._shards.items()}

    async def list_shards(self) -> Sequence[Shard]:
        if self.fail_listings:
            self.fail_listings -= 1
            raise StreamUnavailableError("LimitExceededException")
        return [
            Shard(shard_id, shard.parents, shard.closed) for shard_id, shard in sorted(self._shards.items())
        ]

    async def shard_iterator(self, shard_id: str, position: Position) -> str:
        records = self._shards[shard_id].records
        match position:
            case Position("LATEST"):
                index = len(records)
            case Position("AT_TIMESTAMP", timestamp=datetime() as timestamp):
                index = sum(record.arrived_at < timestamp for record in records)
            case Position("AFTER_SEQUENCE_NUMBER", sequence_number=str(number)):
                index = sum(int(record.sequence_number) <= int(number) for record in records)
            case _:
                index = 0
        return self._iterator(shard_id, index)

    async def get_records(self, iterator: str, limit: int) -> Page:
        self.read_at.append(self._clock.seconds)
        shard_id, index_text, issued_text = iterator.split("|")
        if self.fail_reads:
            self.fail_reads -= 1
            raise StreamUnavailableError("ProvisionedThroughputExceededException")
        if int(issued_text) <= self._expired:
            raise IteratorExpiredError(iterator)
        shard, index = self._shards[shard_id], int(index_text)
        records = shard.records[index : index + min(limit, self.page_size)]
        end = index + len(records)
        behind = 0
        if end < len(shard.records):
            age = self._clock.now() - shard.records[end].arrived_at
            behind = max(1, int(age / timedelta(milliseconds=1)))
        at_end = shard.closed and not behind
        return Page(records, None if at_end else self._iterator(shard_id, end), behind)

    def _iterator(self, shard_id: str, index: int) -> str:
        self._issued += 1
        return f"{shard_id}|{index}|{self._issued}"


@dataclass(frozen=True)
class Call:
    """One invocation: when it began, and what it was given."""

    at_seconds: float
    shard_id: str
    sequence_numbers: tuple[str, ...]
    keys: tuple[str, ...]
    event: Mapping[str, object]


Respond = Callable[[Call], object]


def records_of(event: Mapping[str, object]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", event["Records"])


class ScriptedFunction:
    """A function that calls `respond` for every event; it returns the response or raises."""

    def __init__(self, clock: SimulatedClock, respond: Respond) -> None:
        self.respond = respond
        self.takes_seconds = 0.0
        self.calls: list[Call] = []
        self.running = 0
        self.most_running = 0
        self._clock = clock

    async def invoke(self, event: Mapping[str, object]) -> object:
        records = records_of(event)
        call = Call(
            self._clock.seconds,
            records[0]["eventID"].split(":")[0],
            tuple(record["kinesis"]["sequenceNumber"] for record in records),
            tuple(record["kinesis"]["partitionKey"] for record in records),
            event,
        )
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.takes_seconds)
            return self.respond(call)
        finally:
            self.running -= 1

    @property
    def batches(self) -> list[tuple[str, ...]]:
        return [call.sequence_numbers for call in self.calls]

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    @property
    def times(self) -> list[float]:
        return [call.at_seconds for call in self.calls]


class KeptFailures:
    """The on-failure bucket; it refuses the first `refuse` puts."""

    def __init__(self) -> None:
        self.refuse = 0
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, body: bytes) -> None:
        if self.refuse:
            self.refuse -= 1
            raise DestinationUnavailableError("503 Slow Down")
        self.objects[key] = body


def succeed(_: Call) -> object:
    return {"batchItemFailures": []}


class Simulation:
    """Everything around one mapping; create it inside `simulate`."""

    def __init__(self, respond: Respond = succeed, *, shard_count: int = 1) -> None:
        self.clock = SimulatedClock()
        self.stream = MemoryStream(self.clock, shard_count)
        self.function = ScriptedFunction(self.clock, respond)
        self.failures = KeptFailures()
        self._ids = itertools.count(1)

    def new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._ids):012}"

    def mapping(
        self,
        settings: MappingSettings = SETTINGS,
        *,
        keep_failures: bool = True,
        checkpoints: Mapping[str, str] | None = None,
    ) -> EventSourceMapping:
        return EventSourceMapping(
            settings,
            stream=self.stream,
            function=self.function,
            failures=self.failures if keep_failures else None,
            clock=self.clock,
            new_id=self.new_id,
            checkpoints=checkpoints,
        )

    async def run_until_done(self, settings: MappingSettings = SETTINGS) -> EventSourceMapping:
        """Run a mapping until every record in the stream is acknowledged or discarded."""
        mapping = self.mapping(settings)
        await run_until(mapping, mapping.wait_until_done())
        return mapping

    async def run_for(self, seconds: float, settings: MappingSettings = SETTINGS) -> EventSourceMapping:
        mapping = self.mapping(settings)
        await run_until(mapping, asyncio.sleep(seconds))
        return mapping


async def run_until(mapping: EventSourceMapping, scenario: Coroutine[Any, Any, object]) -> None:
    """Run the mapping until the scenario is over, then stop it; raise an error of either."""
    running = asyncio.create_task(mapping.run())
    playing = asyncio.create_task(scenario)
    await asyncio.wait({running, playing}, return_when=asyncio.FIRST_COMPLETED)
    mapping.stop()
    if not playing.done():
        playing.cancel()
    await running
    await playing


def with_settings(**changes: Any) -> MappingSettings:
    return replace(SETTINGS, **changes)


def failing(*sequence_numbers: str | None) -> dict[str, object]:
    """Return a partial batch response that names these records."""
    return {"batchItemFailures": [{"itemIdentifier": number} for number in sequence_numbers]}
