"""The simulated stores, as the checker sees them."""

from collections.abc import Mapping, Sequence

from reliability.aws import ARCHIVE, QUARANTINE, Services
from reliability.checker import STALE_SECONDS, State
from reliability.simulated.postgres_catalog import Tables
from reliability.simulated.redis import Cache
from reliability.simulated.world import World

_PREFIXES = {ARCHIVE: "inventory/", QUARANTINE: "quarantine/"}


class SimulatedStores:
    """See `checker.Stores`."""

    def __init__(self, world: World, tables: Tables, cache: Cache, services: Services) -> None:
        self._world = world
        self._tables = tables
        self._cache = cache
        self._services = services

    def now(self) -> float:
        return self._world.now

    def states(self, product: str) -> Sequence[State]:
        return [State(at, row.values) for at, row in self._tables.history.get(product, ())]

    def products(self) -> Sequence[str]:
        return list(self._tables.products)

    def pending(self) -> set[str]:
        return set(self._tables.pending)

    def cached(self) -> Mapping[str, bytes]:
        # A value or a lease that a failover brought back can make a value old, until its time is over.
        oldest = self._world.now - STALE_SECONDS
        lost = {key.partition(":")[2] for key, at in self._cache.lost.items() if at > oldest}
        found = {}
        for key in self._cache.values:
            kind, _, product = key.partition(":")
            value = self._cache.get(key)
            if kind == "product" and value is not None and product not in lost:
                found[product] = value
        return found

    def seconds_to_live(self, product: str) -> float:
        return self._cache.values[f"product:{product}"][1] - self._world.now

    def objects(self, kind: str) -> Mapping[str, bytes]:
        return {
            key: body
            for (bucket, key), body in self._services.objects.items()
            if bucket == kind and key.startswith(_PREFIXES[kind])
        }
