"""A product for the page: row and cached copy as `catalog show` has them, history as `catalog explain`."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from catalog.archive_lines import Damage
from catalog.commands.explain import history_document
from catalog.commands.show import state_document
from catalog.connections import Connections
from catalog.errors import UnreachableError, UsageError
from catalog.product_history import differences, history, mark_held
from catalog.product_repairs import with_repairs
from catalog.product_search import Span, count_objects, search
from catalog.product_state import product_state, stored_row
from processor.product import MAX_PRODUCT_ID

_SUGGESTED = 10
_MOST_OBJECTS = 20_000
_AWS_DAYS = 1
_SHOWN = 200
# By the index of the primary key, whatever its collation.
_FROM = "SELECT product_id FROM products WHERE product_id >= $1 ORDER BY product_id LIMIT $2"


async def suggestions(connections: Connections, begin: str) -> list[str]:
    """Return the first products whose id begins with a text."""
    if "\0" in begin or len(begin) > MAX_PRODUCT_ID:
        return []
    pool = await connections.database()
    rows = await pool.fetch(_FROM, begin.encode("utf-8", "replace").decode(), _SUGGESTED)
    return [row["product_id"] for row in rows if row["product_id"].startswith(begin)]


async def state_of(connections: Connections, product_id: str) -> dict[str, Any]:
    """Return a product as `catalog show` prints it; `product`: None if the catalog does not have it."""
    damage = Damage()
    state = await product_state(connections, product_id, damage)
    return {
        "product": state and state_document(state, None),
        "damaged": damage.first,
        "at": datetime.now(UTC),
    }


async def history_of(connections: Connections, product_id: str, days: int | None) -> dict[str, Any]:
    """Return every update of a product, as `catalog explain` prints it.

    `days`: only what arrived in so many; without them everything, but on AWS of one day. Raises: UsageError
    if too many objects would be read for a page.
    """
    if days is None and connections.environment.variables is None:
        days = _AWS_DAYS
    span = Span() if days is None else Span(datetime.now(UTC) - timedelta(days=days))
    objects = await count_objects(connections, span)
    if objects > _MOST_OBJECTS:
        raise UsageError(
            f"that is {objects:,} objects of the archive, more than {_MOST_OBJECTS:,}: "
            "choose fewer days, or use `catalog explain --from`"
        )
    damage = Damage()
    row = await _row(connections, product_id)
    found = await search(connections, product_id, span, damage=damage, advance=lambda _: None)
    told = history(await with_repairs(connections, product_id, found, None, damage))
    differing = None
    # What was updated while the archive was read would differ from it.
    if span == Span() and row and row == await _row(connections, product_id):
        mark_held(told, row[0])
        differing = differences(told.state, row[0])
    return history_document(product_id, None, told, _SHOWN, differing, damage) | {
        "objects": objects,
        "days": days,
        "received": len(told.received),
    }


async def _row(connections: Connections, product_id: str) -> list[asyncpg.Record | None]:
    """Return the row, or None if there is none, in a list; nothing if it cannot be read."""
    # The answer for the product's state says why.
    with suppress(UnreachableError, asyncpg.PostgresError):
        return [await stored_row(connections, product_id)]
    return []
