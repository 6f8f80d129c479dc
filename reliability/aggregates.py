"""The Kinesis Producer Library's aggregates: packed, and unpacked plainly; by no code of the processor.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

import hashlib
from collections.abc import Iterable, Iterator

MAGIC = b"\xf3\x89\x9a\xc2"
MAX_RECORDS = 30_839  # docs/suppliers.md
_MAX_KEY = 256
_MAX_NESTED = 100
_VARINT, _FIXED64, _LENGTH, _GROUP, _END_GROUP, _FIXED32 = range(6)
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def pack(body: bytes) -> bytes:
    """Return the envelope of an aggregate around any body."""
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def aggregate(keys: Iterable[bytes], records: Iterable[tuple[int, bytes]]) -> bytes:
    """Return an aggregate: the table of partition keys, and (index of its key, data) of each record."""
    body = [field(1, key) for key in keys]
    body += [field(3, b"\x08" + varint(index) + field(3, data)) for index, data in records]
    return pack(b"".join(body))


def field(number: int, value: bytes) -> bytes:
    """Return a field that has a length: a text, bytes or a message."""
    return varint(number << 3 | _LENGTH) + varint(len(value)) + value


def varint(number: int) -> bytes:
    """Return a whole number in groups of seven bits, the lowest first."""
    encoded = b""
    while number > 0x7F:
        encoded, number = encoded + bytes([number & 0x7F | 0x80]), number >> 7
    return encoded + bytes([number])


def unpack(data: bytes) -> list[tuple[str, bytes]] | None:
    """Return (partition key, data) of each record in an aggregate; None if it is not one."""
    body, digest = data[len(MAGIC) : -16], data[-16:]
    if len(data) < len(MAGIC) + 16 or hashlib.md5(body, usedforsecurity=False).digest() != digest:
        return None
    try:
        fields = list(_fields(body))
        keys = [value.decode("utf-8") for number, value in fields if number == (1, _LENGTH)]
        records = [dict(_fields(value)) for number, value in fields if number == (3, _LENGTH)]
        found = [(keys[int.from_bytes(record[1, _VARINT])], record[3, _LENGTH]) for record in records]
    except (ValueError, LookupError):
        return None
    is_right = 1 <= len(found) <= MAX_RECORDS and all(len(key) <= _MAX_KEY for key in keys)
    return found if is_right else None


def _fields(message: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield the fields of a message: (number, kind), and a value; a number as 8 bytes."""
    at = 0
    while at < len(message):
        kind, value, at = _field_at(message, at, 0)
        if kind[1] == _END_GROUP:
            raise ValueError("an end without a beginning")
        yield kind, value


def _field_at(message: bytes, at: int, nested: int) -> tuple[tuple[int, int], bytes, int]:
    """Return a field, and where the next one begins."""
    tag, at = _varint_at(message, at, most=5)
    number, kind = tag >> 3, tag & 7
    value = b""
    if not 0 < number < 1 << 29 or nested > _MAX_NESTED:
        raise ValueError("no field has this number, or groups are too deep")
    if kind == _VARINT:
        integer, at = _varint_at(message, at, most=10)
        value = (integer % 2**64).to_bytes(8)
    elif kind == _LENGTH:
        length, at = _varint_at(message, at, most=10)
        value, at = message[at : at + length], at + length
    elif kind in _FIXED:
        at += _FIXED[kind]
    elif kind == _GROUP:
        inner, _, at = _field_at(message, at, nested + 1)
        while inner[1] != _END_GROUP:
            inner, _, at = _field_at(message, at, nested + 1)
        if inner[0] != number:
            raise ValueError("the end of another group")
    elif kind != _END_GROUP:
        raise ValueError("no kind of field")
    if at > len(message):
        raise ValueError("it ends within a field")
    return (number, kind), value, at


def _varint_at(message: bytes, at: int, *, most: int) -> tuple[int, int]:
    number = 0
    for place in range(most):
        byte = message[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("a number without an end")
