"""The real stores, as the checker sees them: read past the proxies, all of them at once."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from reliability.aws import Services
from reliability.checker import State
from reliability.real.servers import Servers
from reliability.worlds import World

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from reliability.real.servers import Connection

_PREFIXES = {"archive": "inventory/", "quarantine": "quarantine/"}
# A row of `history` is older than its commit, so that is when the state begins.
_STATES = """
SELECT product_id, inventory, price, discontinued, extract(epoch FROM pg_xact_commit_timestamp(xmin)) AS since
FROM history ORDER BY number
"""
_ROWS = "SELECT product_id, inventory, price, discontinued FROM products"
# Between a commit and its visibility: a busy machine may stop PostgreSQL there.
_VISIBLE_SECONDS = 0.25
_READ_SECONDS = 10.0


class RealStores:
    """See `checker.Stores`; `refresh` reads what the rest tells."""

    def __init__(self, world: World, servers: Servers, services: Services) -> None:
        self._world = world
        self._servers = servers
        self._services = services
        self._one_at_a_time = asyncio.Lock()
        self._connections = AsyncExitStack()
        self._database: Connection | None = None
        self._cache: Redis | None = None
        self._states: dict[str, list[State]] = {}
        self._pending: set[str] = set()
        self._cached: dict[str, tuple[bytes, float]] = {}

    async def refresh(self) -> None:
        """Read the stores. Raises: what the drivers raise where a server is away."""
        async with self._one_at_a_time:
            try:
                if self._database is None:
                    self._database = await self._connections.enter_async_context(
                        self._servers.administrator()
                    )
                if self._cache is None:
                    self._cache = await self._connections.enter_async_context(self._servers.cache())
                async with asyncio.timeout(_READ_SECONDS):
                    await self._read(self._database, self._cache)
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Close the connections; `refresh` opens new ones."""
        self._database = self._cache = None
        await self._connections.aclose()

    async def _read(self, database: "Connection", redis: "Redis") -> None:
        began = self._world.date().timestamp() - self._world.now
        states: dict[str, list[State]] = defaultdict(list)
        async with database.transaction(isolation="repeatable_read", readonly=True):
            for product, *values, since in await database.fetch(_STATES):
                at = float(since) - began + _VISIBLE_SECONDS
                states[product].append(State(at, _fields(values)))
            for product, *values in await database.fetch(_ROWS):
                if not states[product] or states[product][-1].fields != _fields(values):
                    states[product].append(State(self._world.now, _fields(values)))
        # Before the cache: what is pending then may be drained before the cache is read.
        pending = await database.fetch("SELECT product_id FROM pending_invalidation")
        self._states, self._pending = dict(states), {product for (product,) in pending}
        keys = [key async for key in redis.scan_iter("product:*", count=1000)]
        async with redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
                pipeline.pttl(key)
            found = iter(await pipeline.execute())
        self._cached = {
            key.decode().partition(":")[2]: (value, milliseconds / 1000)
            for key, value, milliseconds in zip(keys, found, found, strict=True)
            if value is not None
        }

    def now(self) -> float:
        return self._world.now

    def states(self, product: str) -> Sequence[State]:
        return self._states.get(product, [])

    def products(self) -> Sequence[str]:
        return list(self._states)

    def pending(self) -> set[str]:
        return self._pending

    def cached(self) -> Mapping[str, bytes]:
        return {product: value for product, (value, _) in self._cached.items()}

    def seconds_to_live(self, product: str) -> float:
        _, seconds = self._cached[product]
        return seconds

    def objects(self, kind: str) -> Mapping[str, bytes]:
        return {
            key: body
            for (bucket, key), body in self._services.objects.items()
            if bucket == kind and key.startswith(_PREFIXES[kind])
        }


def _fields(values: Sequence[object]) -> dict[str, object]:
    return dict(zip(("inventory", "price", "discontinued"), values, strict=True))
