"""The shop: readers that read products through the cache while the pipeline changes them."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from local.servers import PostgresAddress, ValkeyAddress
from processor.reader import CatalogReader, ReaderStatistics
from processor.readers import CacheAddress, open_reader

_REMEMBERED = 500
_IDLE_SECONDS = 0.01
# This share of the reads goes to products that are being sold right now, the rest to recently sold ones.
_SHARE_OF_SELLING = 0.5


class Shop:
    """Concurrent readers of one `CatalogReader` that mostly read the products being sold."""

    def __init__(self, reader: CatalogReader, *, readers: int, rng: random.Random) -> None:
        self._reader = reader
        self.readers = readers
        self._rng = rng
        self._selling: list[str] = []
        self._sold: deque[str] = deque(maxlen=_REMEMBERED)
        self._open = True

    def notice(self, event: Mapping[str, Any]) -> None:
        """Note the products of an event for the function: they are being sold right now."""
        self._selling = [record["kinesis"]["partitionKey"] for record in event["Records"]]
        self._sold.extend(self._selling)

    async def run(self) -> None:
        """Read products until `close()`. Raises the error of the first reader that fails."""
        readers = [asyncio.create_task(self._read()) for _ in range(self.readers)]
        try:
            await asyncio.gather(*readers)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)

    def close(self) -> None:
        """End every reader after its current read."""
        self._open = False

    @property
    def statistics(self) -> ReaderStatistics:
        """The reader's counts."""
        return self._reader.statistics

    async def _read(self) -> None:
        while self._open:
            if not self._sold:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            selling = self._selling and self._rng.random() < _SHARE_OF_SELLING
            await self._reader.get(self._rng.choice(self._selling if selling else self._sold))


@asynccontextmanager
async def open_shop(
    postgres: PostgresAddress, valkey: ValkeyAddress, *, readers: int, seed: int
) -> AsyncIterator[Shop]:
    """Open a shop with separate connections to the database and the cache."""
    cache = CacheAddress(host=valkey.host, port=valkey.port, tls=False)
    async with open_reader(
        dsn=postgres.dsn, ca_file=None, cache=cache, database_connections=readers
    ) as reader:
        yield Shop(reader, readers=readers, rng=random.Random(seed))  # noqa: S311 no secret
