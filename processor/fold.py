"""Updates → one change a product: of each register the newest update, by version.

A register's last writer wins, so folding commutes, is associative and idempotent: any
permutation, duplication or batching of the same updates folds to the same changes (invariant I1).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from processor.updates import Update


class Change(NamedTuple):
    """What a batch says of one product: of each register it mentions, the newest update."""

    product_id: str
    newest: Mapping[str, Update]

    def value(self, register: str) -> object:
        """The register's value inside; None if it is not mentioned."""
        update = self.newest.get(register)
        return None if update is None else update.values[register]

    def version(self, register: str) -> str | None:
        """That value's version; None if it is not mentioned."""
        update = self.newest.get(register)
        return None if update is None else update.version


class Folded(NamedTuple):
    """`changes`: one a product, ordered by product id; `superseded`: updates that changed nothing."""

    changes: list[Change]
    superseded: int


def fold(updates: Iterable[Update]) -> Folded:
    """The newest update of every register of every product.

    Ordered, because concurrent upserts that lock rows in different orders deadlock.
    """
    products: dict[str, dict[str, Update]] = {}
    superseded = 0
    for update in updates:
        product_id, values, version, _, _ = update
        newest = products.get(product_id)
        if newest is None:
            products[product_id] = dict.fromkeys(values, update)
            continue
        wins = False
        for register in values:
            if register not in newest or version > newest[register].version:
                newest[register] = update
                wins = True
        superseded += not wins
    return Folded([Change(product_id, products[product_id]) for product_id in sorted(products)], superseded)
