"""The real stores, as the checker sees them: read past the proxies, all of them at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from reliability.aws import Services
from reliability.checker import State
from reliability.real.servers import Servers
from reliability.worlds import World

_PREFIXES = {"archive": "inventory/", "quarantine": "quarantine/"}
# A row of `history` is older than its commit, so that is when the state begins.
_STATES = """
SELECT product_id, inventory, price, discontinued, extract(epoch FROM pg_xact_commit_timestamp(xmin)) AS since
FROM history ORDER BY number
"""
_ROWS = "SELECT product_id, inventory, price, discontinued FROM products"
# Between a commit and its visibility: a busy machine may stop PostgreSQL there.
_VISIBLE_SECONDS = 0.25


class RealStores:
    """See `checker.Stores`; `refresh` reads what the rest tells."""

    def __init__(self, world: World, servers: Servers, services: Services) -> None:
        self._world = world
        self._servers = servers
        self._services = services
        self._states: dict[str, list[State]] = {}
        self._pending: set[str] = set()
        self._cached: dict[str, tuple[bytes, float]] = {}

    async def refresh(self) -> None:
        """Read the stores. Raises: what the drivers raise where a server is away."""
        began = self._world.date().timestamp() - self._world.now
        async with self._servers.administrator() as connection:
            states: dict[str, list[State]] = defaultdict(list)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for product, *values, since in await connection.fetch(_STATES):
                    at = float(since) - began + _VISIBLE_SECONDS
                    states[product].append(State(at, _fields(values)))
                for product, *values in await connection.fetch(_ROWS):
                    if not states[product] or states[product][-1].fields != _fields(values):
                        states[product].append(State(self._world.now, _fields(values)))
            # Before the cache: what is pending then may be drained before the cache is read.
            pending = await connection.fetch("SELECT product_id FROM pending_invalidation")
        self._states, self._pending = dict(states), {product for (product,) in pending}
        cached: dict[str, tuple[Any, float]] = {}
        async with self._servers.cache() as redis:
            async for key in redis.scan_iter("product:*", count=1000):
                value, milliseconds = await redis.get(key), await redis.pttl(key)
                if value is not None:
                    cached[key.decode().partition(":")[2]] = value, milliseconds / 1000
        self._cached = cached

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
