"""A Kinesis stream in memory, and the bucket that keeps failed batches."""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.emulated_aws.event_source_mapping import Page, Position, Shard, StreamRecord
from reliability.aws import Services
from reliability.worlds import World


@dataclass(slots=True)
class _StoredShard:
    parents: tuple[str, ...] = ()
    records: list[StreamRecord] = field(default_factory=list)
    is_closed: bool = False


class StreamInMemory:
    """Shards of records in order. Sequence numbers begin at 95, so that their order as text is soon wrong."""

    def __init__(self, world: World, shards: int, age_seconds: float) -> None:
        self._world = world
        self._age = timedelta(seconds=age_seconds)
        self._shards: dict[str, _StoredShard] = {}
        self._next = 95
        for _ in range(shards):
            self._add()

    def put(self, key: str, data: bytes) -> tuple[str, StreamRecord]:
        """Put a record; return its shard and what was stored."""
        is_open = [name for name, shard in self._shards.items() if not shard.is_closed]
        shard = is_open[zlib.crc32(key.encode()) % len(is_open)]
        arrived_at = self._world.date() - self._age
        arrived_at = arrived_at.replace(microsecond=arrived_at.microsecond // 1000 * 1000)
        record = StreamRecord(str(self._next), key, data, arrived_at)
        self._next += 1
        self._shards[shard].records.append(record)
        self._world.note(f"stream: {shard} {record.sequence_number} {data!r}")
        return shard, record

    def split(self) -> None:
        """Split the first open shard."""
        name, shard = next((name, shard) for name, shard in self._shards.items() if not shard.is_closed)
        shard.is_closed = True
        self._add(name)
        self._add(name)

    async def list_shards(self) -> Sequence[Shard]:
        return [Shard(name, shard.parents, shard.is_closed) for name, shard in self._shards.items()]

    async def shard_iterator(self, shard_id: str, position: Position) -> str:
        after = int(position.sequence_number or 0)
        records = self._shards[shard_id].records
        return f"{shard_id}|{sum(int(record.sequence_number) <= after for record in records)}"

    async def get_records(self, iterator: str, limit: int) -> Page:
        name, begin = iterator.split("|")
        shard = self._shards[name]
        records = shard.records[int(begin) :][:limit]
        return Page(records, None if shard.is_closed else f"{name}|{int(begin) + len(records)}", 0)

    def _add(self, *parents: str) -> None:
        self._shards[f"shardId-{len(self._shards):012}"] = _StoredShard(parents)


class FailureBucket:
    """The mapping's on-failure destination."""

    def __init__(self, services: Services, bucket: str) -> None:
        self._services = services
        self._bucket = bucket

    async def put(self, key: str, body: bytes) -> None:
        self._services.objects[self._bucket, key] = body


class WorldClock:
    """The mapping's clock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.date()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
