"""Updates → one change a product and field: last writer wins, by version.

Each field is a last-writer-wins register, so folding commutes, is associative and idempotent: any
permutation, duplication or batching of the same updates folds to the same changes (invariant I1).
"""

from collections.abc import Iterable
from typing import NamedTuple

from processor.updates import Update


class Change(NamedTuple):
    """What a batch says of one product; a field without a version is not mentioned."""

    product_id: str
    inventory: int | None
    inventory_version: str | None
    price_cents: int | None
    price_version: str | None


class Folded(NamedTuple):
    """`changes`: one a product, ordered by product id; `superseded`: updates that changed nothing."""

    changes: list[Change]
    superseded: int


def fold(updates: Iterable[Update]) -> Folded:
    """The newest inventory and the newest price of every product.

    Ordered, because concurrent upserts that lock rows in different orders deadlock.
    """
    newest_inventory: dict[str, tuple[str, int]] = {}
    newest_price: dict[str, tuple[str, int]] = {}
    superseded = 0
    for product_id, inventory, price_cents, version, _, _ in updates:
        wins = False
        if inventory is not None:
            held = newest_inventory.get(product_id)
            if held is None or version > held[0]:
                newest_inventory[product_id] = (version, inventory)
                wins = True
        if price_cents is not None:
            held = newest_price.get(product_id)
            if held is None or version > held[0]:
                newest_price[product_id] = (version, price_cents)
                wins = True
        superseded += not wins
    nothing = (None, None)
    changes = []
    for product_id in sorted(newest_inventory.keys() | newest_price.keys()):
        inventory_version, inventory = newest_inventory.get(product_id, nothing)
        price_version, price_cents = newest_price.get(product_id, nothing)
        changes.append(Change(product_id, inventory, inventory_version, price_cents, price_version))
    return Folded(changes, superseded)
