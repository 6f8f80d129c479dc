"""Updates → one change a product: of each register the newest value, by version.

A register's last writer wins, so folding commutes, is associative and idempotent: any
permutation, duplication or batching of the same updates folds to the same changes (invariant I1).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from processor.product import REGISTERS
from processor.updates import Update


class Change(NamedTuple):
    """What a batch says of one product: of each register the newest value, and its version.

    `row`: each register's value inside, then each register's version, both in the order of `REGISTERS`;
    None where the batch does not mention the register.
    """

    product_id: str
    row: Sequence[Any]

    def value(self, register: str) -> object:
        """One register's value inside; None if it is not mentioned."""
        return self.row[_PLACES[register][0]]

    def version(self, register: str) -> str | None:
        """That value's version; None if it is not mentioned."""
        version: str | None = self.row[_PLACES[register][1]]
        return version


# Where a row has a register's value and version.
_PLACES = {name: (place, len(REGISTERS) + place) for place, name in enumerate(REGISTERS)}


class Folded(NamedTuple):
    """`changes`: one a product, ordered by product id; `superseded`: updates that changed nothing."""

    changes: list[Change]
    superseded: int


def fold(updates: Iterable[Update]) -> Folded:
    """The newest update of every register of every product.

    Ordered, because concurrent upserts that lock rows in different orders deadlock.
    """
    rows: dict[str, list[Any]] = {}
    superseded = 0
    for product_id, values, version, _, _ in updates:
        row = rows.get(product_id)
        if row is None:
            rows[product_id] = row = [None] * (2 * len(REGISTERS))
        wins = False
        for register, value in values.items():
            of_value, of_version = _PLACES[register]
            held = row[of_version]
            if held is None or version > held:
                row[of_value], row[of_version] = value, version
                wins = True
        superseded += not wins
    return Folded([Change(product_id, rows[product_id]) for product_id in sorted(rows)], superseded)
