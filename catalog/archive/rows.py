"""An archive line as a row with typed columns: what the view `archive` of `catalog archive sql` has.

Nothing is judged again: only a line whose verdict is `accepted` has values, exact and as the processor reads
them, and a version as it writes it.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from catalog.archive.lines import ArchivedLine
from processor.product import REGISTERS
from processor.s3_objects import ACCEPTED
from processor.slices import decode_all
from processor.timestamps import utc_text
from processor.updates import Rejection, Update

_VALUE_KINDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "integer": ("INTEGER", lambda value: value),
    "bigint": ("DECIMAL(10,2)", lambda cents: f"{cents // 100}.{cents % 100:02d}"),
    "boolean": ("BOOLEAN", lambda value: value),
    "text": ("VARCHAR", lambda value: _text(value)),
}
"""By the PostgreSQL type of a register's value inside: the column's type, and the value in JSON."""

REGISTER_COLUMNS = {name: _VALUE_KINDS[register.parameter][0] for name, register in REGISTERS.items()}
_VALUES = {name: _VALUE_KINDS[register.parameter][1] for name, register in REGISTERS.items()}

COLUMNS: Mapping[str, str] = {
    "day": "DATE",
    "shard": "VARCHAR",
    "sequence_number": "VARCHAR",
    "sub_sequence": "INTEGER",
    "partition_key": "VARCHAR",
    "arrival_time": "TIMESTAMPTZ",
    "verdict": "VARCHAR",
    "data": "VARCHAR",
    "product_id": "VARCHAR",
    **REGISTER_COLUMNS,
    "event_time": "TIMESTAMPTZ",
    "supplier": "VARCHAR",
    "version": "VARCHAR",
    "object": "VARCHAR",
    "line": "INTEGER",
}
"""The view's columns and their types in DuckDB. `object`, `line`: the archive's key, and the line from 1."""

LARGEST_ROW_BYTES = 16 * 1024 * 1024
"""DuckDB allocates twice as much for each thread that reads rows."""
_CUT_CHARACTERS = 1024 * 1024
_encode = msgspec.json.Encoder().encode


def row_of(day: date, key: str, number: int, line: ArchivedLine) -> bytes:
    """Return a line's row as JSON."""
    record = line.record
    members: dict[str, Any] = {
        "day": day.isoformat(),
        "shard": record.shard,
        "sequence_number": record.sequence_number,
        "sub_sequence": record.sub_sequence,
        "partition_key": None if record.partition_key is None else _text(record.partition_key),
        "arrival_time": utc_text(record.arrival_ms),
        "verdict": line.verdict,
        "data": record.data.decode("utf-8", "backslashreplace"),
        "object": key,
        "line": number,
    }
    (outcome,) = decode_all([record], [])
    if outcome.supplier is not None:
        members["supplier"] = _text(outcome.supplier)
    if line.verdict == ACCEPTED:
        members |= _values(outcome)
    row = _encode(members)
    if len(row) >= LARGEST_ROW_BYTES:
        row = _encode(members | {"data": members["data"][:_CUT_CHARACTERS] + "…"})
    return row


def unreadable_row(day: date, key: str, number: int, line: bytes) -> bytes:
    """Return the row of a line that cannot be read: its place, and its bytes as `data`."""
    text = line[:10_000].decode("utf-8", "backslashreplace")
    return _encode({"day": day.isoformat(), "data": text, "object": key, "line": number})


def _values(outcome: Update | Rejection) -> dict[str, Any]:
    # Rules may have become stricter since the record was accepted; then it has no values.
    if isinstance(outcome, Rejection):
        return {}
    return {
        "product_id": outcome.product_id,
        "event_time": outcome.version.partition(" ")[0],
        "version": outcome.version,
        **{name: _VALUES[name](value) for name, value in outcome.values.items()},
    }


def _text(text: str) -> str:
    """Return text without halves of surrogate pairs, which no database stores."""
    return text.encode("utf-8", "backslashreplace").decode()
