"""What the archive says of a row: `catalog show` and `catalog diff` judge by it."""

from collections.abc import Iterable
from typing import Any

from catalog.archive_lines import Line
from catalog.product_history import shown_value
from catalog.terminal_text import safe
from processor.product import REGISTERS
from processor.registers import InvalidValueError
from processor.s3_objects import ACCEPTED
from processor.slices import decode_all
from processor.updates import Rejection

BY_HAND = "the row was changed by hand"
NEVER_SET = f"no update wrote it, and it is not what it is until one does: {BY_HAND}"
LAST_UPDATED = f"last_updated is not the newest event time of the row's versions: {BY_HAND}"
EVENT_TIME_CHARACTERS = len("2026-01-31T08:30:00.000000Z")


def inside_value(name: str, column: Any) -> object:
    """Return a column's value as a value inside; as text if it is none that the register accepts."""
    register = REGISTERS[name]
    try:
        return None if column is None else register.read(register.to_cache(column))
    except InvalidValueError:
        return f"{column} (not accepted)"


def newest_event_time(versions: Iterable[str | None]) -> str | None:
    """Return the newest event time of a row's versions, which its last_updated is; None: it has none."""
    newest = max((version for version in versions if version is not None), default=None)
    return None if newest is None else newest[:EVENT_TIME_CHARACTERS]


def record_fault(product_id: str, name: str, value: object, version: str, line: Line) -> str | None:
    """Return how a record contradicts the field whose version names it; None if it does not.

    `value`: the field's, inside; `line`: the record's, in the archive.
    """
    if line.verdict != ACCEPTED:
        return f"its record was rejected: {line.verdict}"
    (outcome,) = decode_all([line.record], [])
    if isinstance(outcome, Rejection):
        return None  # accepted by the rules of then
    if outcome.product_id != product_id:
        return f"its record is of product {safe(repr(outcome.product_id), 255)}: {BY_HAND}"
    if outcome.version != version or name not in outcome.values:
        return f"its record did not write this version: {BY_HAND}"
    if outcome.values[name] != value:
        return f"its record says {shown_value(name, outcome.values[name])}: {BY_HAND}"
    return None
