"""Values that somebody changed by hand, set to what their updates say.

A field is set only while its version is that of the update, or it has none: the processor may go on, and what
it has written is never touched. A version that no update has written cannot be told from one whose line is on
its way to the archive, so it stays.
"""

from collections.abc import Sequence
from typing import Any

from processor.adapters.postgres import Database
from processor.adapters.upsert import FROM_JSON, json_rows
from processor.fold import Change
from processor.product import REGISTERS

_STATEMENT_SECONDS = 30.0


async def restore(database: Database, changes: Sequence[Change]) -> int:
    """Set the rows' values to those of the changes with the same versions; return how many rows differed.

    A statement locks one row, so that it cannot deadlock with the processor. Raises: DependencyError.
    """
    return len(await _each(database, restore_statement(), changes))


async def differing(database: Database, changes: Sequence[Change]) -> list[str]:
    """Return the products whose rows `restore` would set. Raises: DependencyError."""
    return await _each(database, _differing_statement(), changes)


async def _each(database: Database, statement: str, changes: Sequence[Change]) -> list[str]:
    """Return the products that the statement returns, one change at a time."""
    products: list[str] = []
    for row in json_rows(changes):

        async def ask(connection: Any, row: str = row) -> list[Any]:
            return list(await connection.fetch(statement, row))

        found = await database.run(ask, within_seconds=_STATEMENT_SECONDS)
        products += [each["product_id"] for each in found]
    return products


def restore_statement() -> str:
    """Return SQL that restores the row of one change, and returns it if it differed."""
    columns, values, condition = _parts()
    return f"""
UPDATE products AS held SET ({columns}) = ROW(
    {values})
FROM {FROM_JSON}
WHERE {condition}
RETURNING held.product_id
"""  # noqa: S608 only our own names are inserted


def _differing_statement() -> str:
    """Return SQL that returns the row of one change if it would be restored."""
    return f"SELECT held.product_id FROM products AS held, {FROM_JSON} WHERE {_parts()[2]}"  # noqa: S608


def _parts() -> tuple[str, str, str]:
    """Return the columns, the values that they should have, and the condition that a row has others."""
    wanted = [_wanted(name) for name in REGISTERS]
    versions = ", ".join(f"held.{name}_version" for name in REGISTERS)
    # A version begins with its event time; one that does not is none of the processor's.
    wanted.append(f"""CASE WHEN greatest({versions}) ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]{{15}}Z '
        THEN left(greatest({versions}), 27)::timestamptz ELSE held.last_updated END""")
    columns = ", ".join((*REGISTERS, "last_updated"))
    held = ", ".join(f"held.{name}" for name in (*REGISTERS, "last_updated"))
    values = ",\n    ".join(wanted)
    condition = f"""held.product_id = change.product_id AND ROW({held}) IS DISTINCT FROM ROW(
    {values})"""
    return columns, values, condition


def _wanted(name: str) -> str:
    register = REGISTERS[name]
    unset = register.stored.format(f"NULL::{register.parameter}")
    said = register.stored.format(f"change.{name}")
    return f"""CASE WHEN held.{name}_version IS NULL THEN {unset}
        WHEN held.{name}_version = change.{name}_version THEN {said} ELSE held.{name} END"""
