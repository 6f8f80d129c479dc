"""SQL that compares changes with the table of products and applies them, made from the registers.

A change is always a row of `COLUMNS`: the product's id, each register's value inside, and each register's
version; NULL where the change does not mention the register.
"""

import json
from collections.abc import Iterable, Sequence

from processor.errors import CatalogRefusedError
from processor.fold import ROW_COLUMNS, Change
from processor.product import REGISTERS

# The columns of a change; `columns` returns their values in this order, which is that of the parameters.
COLUMNS = ("product_id", *ROW_COLUMNS)
PRODUCTS = "products"
_TYPES = {name: REGISTERS[name].parameter if name in REGISTERS else "text" for name in COLUMNS}
# A FROM item with one parameter per column: its values of all changes in one text, as `columns` returns them.
# As arrays they cost asyncpg twice the CPU time, and the server as much.
_TEXTS = ", ".join(
    f"string_to_array(${number}, E'\\n', '')::{_TYPES[name]}[]" for number, name in enumerate(COLUMNS, 1)
)
FROM_TEXTS = f"unnest({_TEXTS}) AS change ({', '.join(COLUMNS)})"
# The same with each change's position, from 1 on.
_FROM_NUMBERED_TEXTS = f"unnest({_TEXTS}) WITH ORDINALITY AS change ({', '.join(COLUMNS)}, position)"
# A FROM item with one parameter: one change as a JSON object.
FROM_JSON = f"jsonb_to_record($1) AS change ({', '.join(f'{name} {_TYPES[name]}' for name in COLUMNS)})"
# The columns of the table that an upsert writes.
WRITTEN = (*COLUMNS, "last_updated")


def columns(changes: Sequence[Change]) -> list[str]:
    """Return the values of each column of `COLUMNS`, for one change or more: a line a change, empty for NULL.

    A column without any value is empty: `unnest` adds the NULLs.

    Raises:
        CatalogRefusedError: a text holds a line break, which no record that is accepted does; it would move
            the values after it to other products. One by one, changes are sent as JSON, which can hold it.
    """
    values = zip(*(change.row for change in changes), strict=True)
    return [_lines_of([change.product_id for change in changes]), *map(_lines_of, values)]


def _lines_of(values: Sequence[object]) -> str:
    if not any(value is not None for value in values):
        return ""
    text = "\n".join(["" if value is None else str(value) for value in values])
    if text.count("\n") != len(values) - 1:
        raise CatalogRefusedError("database: a value holds a line break")
    return text


def json_rows(changes: Sequence[Change]) -> list[str]:
    """Return each change as the parameter of `FROM_JSON`."""
    return [
        json.dumps({"product_id": change.product_id, **dict(zip(ROW_COLUMNS, change.row, strict=True))})
        for change in changes
    ]


def outdated_statement(table: str = PRODUCTS) -> str:
    """Return SQL that selects the `position`, from 1 on, of each change that would write a row.

    Its parameters are `columns`. `table`: see `apply_changes`.
    """
    newer = (_newer(name, "change") for name in REGISTERS)
    return f"""
SELECT change.position FROM {_FROM_NUMBERED_TEXTS} LEFT JOIN {table} AS held USING (product_id)
WHERE held.product_id IS NULL
    OR {_lines(newer, " OR")}
"""  # noqa: S608 only our own names are inserted


def fits_statement(source: str) -> str:
    """Return SQL that fails if a value of a change of `source` does not fit into its column.

    It fails for no other reason: no default, generated column, index, CHECK or trigger of the table takes
    part. `source`: see `apply_changes`.
    """
    values = [f"'{name}', {register.stored.format(f'change.{name}')}" for name, register in REGISTERS.items()]
    return f"""
SELECT jsonb_populate_record(NULL::products, jsonb_build_object('product_id', change.product_id,
        {_lines(values, ",")}))
FROM {source}
"""  # noqa: S608 only our own names are inserted


def upsert_statement(source: str, table: str = PRODUCTS) -> str:
    """Return SQL that applies the changes of `source` and returns one row.

    `changed`: how many products' rows were written; `invalidations_pending`: whether any invalidation is
    pending. `source`, `table`: see `apply_changes`.
    """
    return f"""
WITH changed AS ({apply_changes(source, table)}    RETURNING 1
)
SELECT count(*) AS changed, EXISTS (SELECT FROM pending_invalidation) AS invalidations_pending FROM changed
"""  # noqa: S608 only our own names are inserted


def apply_changes(source: str, table: str = PRODUCTS) -> str:
    """Return SQL that writes each register whose change is newer than what the row holds.

    Rows without such a register are not written. RETURNING may follow, for the rows that are. `source`: a
    FROM item named `change` with `COLUMNS` and at most one row per product, ordered by product, because
    concurrent upserts would deadlock otherwise. `table`: `products`, or a table of its columns, quoted.
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
    INSERT INTO {table} AS held (product_id, {", ".join(names)}, last_updated)
    SELECT
        change.product_id,
        {_lines(values, ",")},
        left(greatest({versions}), 27)::timestamptz
    FROM {source}
    ON CONFLICT (product_id) DO UPDATE SET
        {_lines(assignments, ",")},
        last_updated = greatest(excluded.last_updated, held.last_updated)
    WHERE {_lines(map(_newer, REGISTERS), " OR")}
"""  # noqa: S608 only our own names are inserted


def _newer(name: str, new: str = "excluded") -> str:
    # Every version is greater than '', so it wins over none. A change without one compares as NULL: not
    # newer.
    return f"{new}.{name}_version > coalesce(held.{name}_version, '')"


def _lines(parts: Iterable[str], separator: str) -> str:
    return f"{separator}\n        ".join(parts)
