"""The statement that applies changes to the table of products, made from its registers.

A change's row is the same from whatever source: the product's id, each register's value inside, and each
register's version; NULL where the change does not mention the register.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from processor.fold import Change
from processor.product import REGISTERS

# Name and PostgreSQL type of each column of a change's row; `columns` gives their values in this order.
COLUMNS: Final = (
    ("product_id", "text"),
    *((name, register.parameter) for name, register in REGISTERS.items()),
    *((f"{name}_version", "text") for name in REGISTERS),
)
# A FROM item of as many parameters as a row has columns: arrays of the columns of any number of changes.
FROM_ARRAYS: Final = "unnest({}) AS change ({})".format(
    ", ".join(f"${number}::{type_}[]" for number, (_, type_) in enumerate(COLUMNS, 1)),
    ", ".join(name for name, _ in COLUMNS),
)


def columns(changes: Sequence[Change]) -> list[Sequence[object]]:
    """The changes' rows, as a list a column of `COLUMNS`."""
    return [
        [change.product_id for change in changes],
        *([change.value(name) for change in changes] for name in REGISTERS),
        *([change.version(name) for change in changes] for name in REGISTERS),
    ]


def upsert_statement(source: str) -> str:
    """SQL that applies the changes of `source` and answers one row about it.

    `changed`: how many products' rows were written; `invalidations_pending`: whether missed ones wait.
    `source`: see `apply_changes`.
    """
    return f"""
WITH changed AS ({apply_changes(source)}    RETURNING 1
)
SELECT count(*) AS changed, EXISTS (SELECT FROM pending_invalidation) AS invalidations_pending FROM changed
"""  # noqa: S608 the one thing put in is ours


def apply_changes(source: str) -> str:
    """SQL that writes each register whose change is newer than what the row holds, and rows of such alone.

    It may be followed by RETURNING, of the rows it wrote. `source`: a FROM item called `change` with
    `COLUMNS`, at most one row a product; ordered by product, since concurrent upserts would deadlock.
    """
    names: list[str] = []
    values: list[str] = []
    assignments: list[str] = []
    for name, register in REGISTERS.items():
        names += [name, f"{name}_version"]
        values += [register.stored.format(f"change.{name}"), f"change.{name}_version"]
        assignments += [
            f"{name} = CASE WHEN {_newer(name)} THEN excluded.{name} ELSE held.{name} END",
            f"{name}_version = greatest(excluded.{name}_version, held.{name}_version)",
        ]
    versions = ", ".join(f'change.{name}_version COLLATE "C"' for name in REGISTERS)
    # A version begins with its event time in 27 characters.
    return f"""
    INSERT INTO products AS held (product_id, {", ".join(names)}, last_updated)
    SELECT
        change.product_id,
        {_lines(values, ",")},
        left(greatest({versions}), 27)::timestamptz
    FROM {source}
    ON CONFLICT (product_id) DO UPDATE SET
        {_lines(assignments, ",")},
        last_updated = greatest(excluded.last_updated, held.last_updated)
    WHERE {_lines(map(_newer, REGISTERS), " OR")}
"""  # noqa: S608 all that is put in is ours


def _newer(name: str) -> str:
    # Comparing with '' lets no version lose to any; a change without one compares as NULL and is not newer.
    return f"excluded.{name}_version > coalesce(held.{name}_version, '')"


def _lines(parts: Iterable[str], separator: str) -> str:
    return f"{separator}\n        ".join(parts)
