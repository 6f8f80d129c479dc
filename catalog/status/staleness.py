"""Whether cached products are like their rows: all that are cached, or a sample."""

from dataclasses import dataclass, field

from redis.exceptions import NoPermissionError

from catalog.connections import Connections
from catalog.product_state import cache_state, product_of, stored_row
from catalog.status.stores import read_pending
from processor.cache_keys import value_key

_MOST = 1_000
# The shop's user in ElastiCache may not list keys; a product that is drawn is rarely cached.
_DRAWN = f"SELECT product_id FROM products TABLESAMPLE SYSTEM (1) LIMIT {_MOST}"  # noqa: S608 our own number


@dataclass(kw_only=True, slots=True)
class Staleness:
    """`cached`: how many copies were compared; `stale`: products of which the copy is not the row.

    `sample`: which were looked at. `pending`: invalidations that were pending after that.
    """

    sample: str
    cached: int = 0
    stale: list[str] = field(default_factory=list)
    pending: int = 0


async def read_staleness(connections: Connections) -> Staleness:
    """Compare cached products with their rows."""
    found, product_ids = await _sample(connections)
    for product_id in product_ids:
        # A row may change, and its copy not be deleted yet: that is seen no second time.
        for _ in range(2):
            row = await stored_row(connections, product_id)
            state = await cache_state(connections, product_of(row)) if row is not None else None
            if state is None or state.state != "different":
                break
        else:
            found.stale.append(product_id)
        found.cached += state is not None and state.state in ("equal", "different")
    found.pending = (await read_pending(connections)).count
    return found


async def _sample(connections: Connections) -> tuple[Staleness, list[str]]:
    prefix = value_key("")
    cache, product_ids = connections.cache(), list[str]()
    try:
        async for key in cache.scan_iter(f"{prefix}*", count=_MOST):
            product_ids.append(key.decode("utf-8", "replace").removeprefix(prefix))
            if len(product_ids) == _MOST:
                break
        return Staleness(sample=f"up to {_MOST:,} cached products"), product_ids
    except NoPermissionError:
        pool = await connections.database()
        rows = await pool.fetch(_DRAWN)
        return Staleness(sample=f"{len(rows):,} products drawn by chance"), [
            row["product_id"] for row in rows
        ]
