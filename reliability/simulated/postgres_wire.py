"""PostgreSQL's side of its wire protocol, as far as asyncpg speaks it.

https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

TEXT, TEXTS, INT4, INT8, INT8S, FLOAT8, BOOL, NUMERIC, TIMESTAMPTZ, JSONB, CHAR, OID, OIDS = (
    *(25, 1009, 23, 20, 1016, 701, 16, 1700, 1184, 3802, 18, 26, 1028),
)
_ELEMENTS = {TEXTS: TEXT, INT8S: INT8, OIDS: OID}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_STARTUP, _CANCEL = 196608, 80877102


class SqlError(Exception):
    """An error that the server reports, by its SQLSTATE; `is_fatal`: it ends the session."""

    def __init__(self, state: str, message: str, *, is_fatal: bool = False) -> None:
        super().__init__(message)
        self.state = state
        self.is_fatal = is_fatal


class Shape(NamedTuple):
    """The types of a statement's parameters, and the names and types of its result's columns."""

    parameters: Sequence[int] = ()
    columns: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client: its kind (a letter; `startup` and `cancel` have none) and its body."""

    kind: str
    body: bytes


class Reader:
    """Cuts a client's bytes into messages."""

    def __init__(self) -> None:
        self._received = b""
        self._has_begun = False

    def read(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now."""
        self._received += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        head = 5 if self._has_begun else 4
        if len(self._received) < head:
            return None
        (length,) = struct.unpack_from("!i", self._received, head - 4)
        end = head - 4 + length
        if len(self._received) < end:
            return None
        kind, body = self._received[: head - 4].decode(), self._received[head:end]
        self._received = self._received[end:]
        if not self._has_begun:
            (code,) = struct.unpack_from("!i", body)
            if code not in (_STARTUP, _CANCEL):
                raise ValueError(f"a first message with the code {code}")
            self._has_begun = code == _STARTUP
            kind, body = ("startup" if self._has_begun else "cancel"), body[4:]
        return Message(kind, body)


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Return a message of the server."""
    return kind + struct.pack("!i", len(body) + 4) + body


READY = message(b"Z", b"I")
ASK_PASSWORD = message(b"R", struct.pack("!i", 3))
PARSED, BOUND, CLOSED, NO_ROWS = message(b"1"), message(b"2"), message(b"3"), message(b"n")


def welcome(pid: int, key: int) -> bytes:
    """Return what follows a login."""
    settings = {
        "server_version": "18.1",
        "client_encoding": "UTF8",
        "TimeZone": "UTC",
        "integer_datetimes": "on",
        "standard_conforming_strings": "on",
    }
    parameters = (message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
    return (
        message(b"R", struct.pack("!i", 0))
        + b"".join(parameters)
        + message(b"K", struct.pack("!ii", pid, key))
        + READY
    )


def error(failed: SqlError) -> bytes:
    """Return an error's message."""
    severity = "FATAL" if failed.is_fatal else "ERROR"
    fields = f"S{severity}\0V{severity}\0C{failed.state}\0M{failed}\0"
    return message(b"E", fields.encode() + b"\0")


def description(shape: Shape) -> bytes:
    """Return the answer to Describe."""
    parameters = struct.pack(f"!h{len(shape.parameters)}i", len(shape.parameters), *shape.parameters)
    if not shape.columns:
        return message(b"t", parameters) + NO_ROWS
    columns = b"".join(
        name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for name, oid in shape.columns
    )
    return message(b"t", parameters) + message(b"T", struct.pack("!h", len(shape.columns)) + columns)


def rows(shape: Shape, values: Sequence[Sequence[Any]], tag: str) -> bytes:
    """Return a statement's result."""
    found = []
    for row in values:
        fields = [
            b"\xff\xff\xff\xff" if value is None else _sized(_encode(oid, value))
            for (_, oid), value in zip(shape.columns, row, strict=True)
        ]
        found.append(message(b"D", struct.pack("!h", len(fields)) + b"".join(fields)))
    return b"".join(found) + message(b"C", tag.encode() + b"\0")


def bound(body: bytes, shape: Shape) -> list[Any]:
    """Return the arguments of a Bind message."""
    rest = body.split(b"\0", 2)[2]
    (formats,) = struct.unpack_from("!h", rest)
    place = 2 + 2 * formats
    (count,) = struct.unpack_from("!h", rest, place)
    place += 2
    arguments: list[Any] = []
    for oid in shape.parameters[:count]:
        (size,) = struct.unpack_from("!i", rest, place)
        place += 4
        arguments.append(None if size < 0 else _decode(oid, rest[place : place + size]))
        place += max(size, 0)
    return arguments


def _sized(value: bytes) -> bytes:
    return struct.pack("!i", len(value)) + value


def _encode(oid: int, value: Any) -> bytes:
    match oid:
        case _ if oid == NUMERIC:
            return _numeric(value)
        case _ if oid == TIMESTAMPTZ:
            return struct.pack("!q", round((value - _EPOCH).total_seconds() * 1_000_000))
        case _ if oid in (INT8, FLOAT8):
            return struct.pack("!q" if oid == INT8 else "!d", value)
        case _ if oid in (INT4, OID):
            return struct.pack("!i", value)
        case _ if oid == BOOL:
            return b"\x01" if value else b"\x00"
    return str(value).encode()


def _numeric(value: Decimal) -> bytes:
    # In digits of base 10,000: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c
    whole, _, fraction = f"{value:.2f}".partition(".")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    text = whole + fraction.ljust(4, "0")
    digits = [int(text[start : start + 4]) for start in range(0, len(text), 4)]
    weight = len(whole) // 4 - 1
    return struct.pack(f"!hhHh{len(digits)}h", len(digits), weight, 0, 2, *digits)


def _decode(oid: int, value: bytes) -> Any:
    if oid in _ELEMENTS:
        return _array(_ELEMENTS[oid], value)
    formats = {INT8: "!q", INT4: "!i", FLOAT8: "!d", OID: "!i"}
    if oid in formats:
        return struct.unpack(formats[oid], value)[0]
    return value.decode()


def _array(element: int, value: bytes) -> list[Any]:
    dimensions, _, _ = struct.unpack_from("!iii", value)
    if not dimensions:
        return []
    (length,) = struct.unpack_from("!i", value, 12)
    place, found = 20, []
    for _ in range(length):
        (size,) = struct.unpack_from("!i", value, place)
        found.append(_decode(element, value[place + 4 : place + 4 + size]))
        place += 4 + size
    return found
