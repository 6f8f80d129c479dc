"""What the engines have in common that only commit rows: they get changes, as the processor prepares them.

So the time of `run` is that of the database and of what a client does with ready rows: encode, send, wait.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from processor.fold import Change, fold
from processor.product import REGISTERS
from processor.records import expand, read_event
from processor.updates import Rejection, decode

Changes: TypeAlias = Sequence[Change]

# The PostgreSQL type of each value of a row that `rows` returns.
TYPES = ("text", *(register.parameter for register in REGISTERS.values()), *("text" for _ in REGISTERS))


def prepared(event: dict[str, Any]) -> Changes:
    """Return the event's changes: one a product, ordered by product.

    Raises: ValueError for a record that the processor would reject; the feeds hold none.
    """
    updates = []
    for kinesis_record in read_event(event):
        for record in expand(kinesis_record):
            update = decode(record)
            if isinstance(update, Rejection):
                raise ValueError(update.message)
            updates.append(update)
    return fold(updates).changes


def rows(changes: Changes) -> list[tuple[Any, ...]]:
    """Return each change as the values of `processor.adapters.upsert.COLUMNS`."""
    return [(change.product_id, *change.row) for change in changes]
