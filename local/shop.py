"""The shop: readers that look at products through the cache while the pipeline changes them."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from redis.asyncio import Redis

from local.servers import PostgresAddress, ValkeyAddress
from processor.reader import CatalogReader, ReaderStatistics

if TYPE_CHECKING:
    from asyncpg import Pool

_REMEMBERED: Final = 500
_IDLE_SECONDS: Final = 0.01
# What is being sold is what is being looked at; the rest of the looks go to what sold a while ago.
_SHARE_OF_SELLING: Final = 0.5


class Shop:
    """Some readers, each with its own `CatalogReader`, looking at what is selling."""

    def __init__(
        self, pool: "Pool[asyncpg.Record]", redis: Redis, *, readers: int, rng: random.Random
    ) -> None:
        self._readers = [CatalogReader(pool, redis) for _ in range(readers)]
        self._rng = rng
        self._selling: list[str] = []
        self._sold: deque[str] = deque(maxlen=_REMEMBERED)
        self._open = True

    def notice(self, event: Mapping[str, Any]) -> None:
        """These products are being sold right now: an event on its way to the function."""
        self._selling = [record["kinesis"]["partitionKey"] for record in event["Records"]]
        self._sold.extend(self._selling)

    async def run(self) -> None:
        """Look at products until `close()`. Raises what the first reader that fails raises."""
        looks = [asyncio.create_task(self._look(reader)) for reader in self._readers]
        try:
            await asyncio.gather(*looks)
        finally:
            for look in looks:
                look.cancel()
            await asyncio.wait(looks)

    @property
    def readers(self) -> int:
        """How many readers there are."""
        return len(self._readers)

    def close(self) -> None:
        """Every reader ends after its present look."""
        self._open = False

    @property
    def statistics(self) -> ReaderStatistics:
        """The readers' counts together."""
        total = ReaderStatistics()
        for reader in self._readers:
            for name in ReaderStatistics.__slots__:
                setattr(total, name, getattr(total, name) + getattr(reader.statistics, name))
        return total

    async def _look(self, reader: CatalogReader) -> None:
        while self._open:
            if not self._sold:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            selling = self._selling and self._rng.random() < _SHARE_OF_SELLING
            await reader.get(self._rng.choice(self._selling if selling else self._sold))


@asynccontextmanager
async def open_shop(
    postgres: PostgresAddress, valkey: ValkeyAddress, *, readers: int, seed: int
) -> AsyncIterator[Shop]:
    """A shop with its own connections to the database and the cache."""
    redis = Redis(host=valkey.host, port=valkey.port, max_connections=readers * 2)
    async with asyncpg.create_pool(postgres.dsn, min_size=0, max_size=readers) as pool:
        try:
            yield Shop(pool, redis, readers=readers, rng=random.Random(seed))  # noqa: S311 no secret
        finally:
            await redis.aclose()
