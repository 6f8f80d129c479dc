"""Updates → changes: one per product, with the newest value of each register.

The last writer of a register wins, so folding is commutative, associative and idempotent: any permutation,
duplication or batching of the same updates folds to the same changes (invariant I1).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from processor.product import REGISTERS
from processor.updates import Update

# What a change's `row` holds, in this order. The upsert's statements take their columns from here.
ROW_COLUMNS = (*REGISTERS, *(f"{name}_version" for name in REGISTERS))
_PLACES = {name: (ROW_COLUMNS.index(name), ROW_COLUMNS.index(f"{name}_version")) for name in REGISTERS}


class Change(NamedTuple):
    """What a batch says of one product: the newest value of each register, and its version.

    `row`: the values of `ROW_COLUMNS`; None where the batch does not mention the register.
    """

    product_id: str
    row: Sequence[Any]


class Folded(NamedTuple):
    """`changes`: one per product, ordered by product id; `superseded`: updates that changed nothing."""

    changes: list[Change]
    superseded: int


class Folding:
    """A fold that goes on: updates and changes in, the changes of all of them out."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        """Return how many products there are."""
        return len(self._rows)

    def add(self, updates: Iterable[Update]) -> int:
        """Fold updates in; return how many of them changed nothing."""
        rows = self._rows
        superseded = 0
        for update in updates:
            version = update.version
            row = rows.get(update.product_id)
            if row is None:
                rows[update.product_id] = row = [None] * len(ROW_COLUMNS)
            wins = False
            for register, value in update.values.items():
                value_place, version_place = _PLACES[register]
                held = row[version_place]
                if held is None or version > held:
                    row[value_place], row[version_place] = value, version
                    wins = True
            superseded += not wins
        return superseded

    def merge(self, changes: Iterable[Change]) -> None:
        """Fold in what other updates folded to."""
        rows = self._rows
        for product_id, new in changes:
            row = rows.get(product_id)
            if row is None:
                rows[product_id] = list(new)
                continue
            for value_place, version_place in _PLACES.values():
                version, held = new[version_place], row[version_place]
                if version is not None and (held is None or version > held):
                    row[value_place], row[version_place] = new[value_place], version

    def changes(self) -> list[Change]:
        """Return one change per product, ordered by product id.

        Ordered, because concurrent upserts that lock rows in different orders deadlock.
        """
        return [Change(product_id, self._rows[product_id]) for product_id in sorted(self._rows)]


def fold(updates: Iterable[Update]) -> Folded:
    """Return the newest value of every register of every product."""
    folding = Folding()
    superseded = folding.add(updates)
    return Folded(folding.changes(), superseded)
