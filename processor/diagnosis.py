"""What a record that is no JSON object, or an object of someone else's, looks like: words for its supplier.

Asked only about records that are rejected already. Nothing here walks through the bytes in Python.
"""

import base64
import binascii
import codecs
import json
import re
import zlib
from collections.abc import Mapping
from typing import Final

from processor import aggregation
from processor.json_values import shown

_BEGINNINGS: Final = (
    (codecs.BOM_UTF8, "begins with a byte order mark; JSON without one is accepted"),
    (b"\x1f\x8b", "looks like gzip; JSON that is not compressed is accepted"),
    (b"\x28\xb5\x2f\xfd", "looks like Zstandard; JSON that is not compressed is accepted"),
    (aggregation.MAGIC, "is an aggregated record within another; JSON is accepted there"),
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
# A separator between two characters that are no space: prose has one after its commas.
_CSV: Final = re.compile(r"[^\r\n{}\[\]<]{0,1000}?[^\s{}\[\]<,;|][,;|\t][^\s{}\[\]<]")
_ANOTHER_OBJECT: Final = re.compile(r"[,;]?\s*\{")
_FOUND: Final = 20
# By Python's words for it, which differ between versions and are made for programmers.
_EXPECTED: Final = {
    "Expecting value": "a value is expected",
    "Extra data": "nothing more is expected",
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected",
    "Expecting ':' delimiter": "a colon is expected",
    "Expecting ',' delimiter": "a comma or a closing bracket is expected",
    "Illegal trailing comma before end of object": "a comma has nothing after it",
    "Illegal trailing comma before end of array": "a comma has nothing after it",
    "Unterminated string starting at": "a string has no closing quote",
    "Invalid control character at": "a control character in a string is not escaped",
    "Invalid \\escape": "a backslash in a string begins no escape",
    "Invalid \\uXXXX escape": "\\u is not followed by four hexadecimal digits",
}


def diagnose_bytes(data: bytes) -> str | None:
    """What bytes that are no JSON look like, if they look like something known."""
    if not data:
        return "the record is empty; a JSON object is accepted"
    for beginning, looks in _BEGINNINGS:
        if data.startswith(beginning):
            return f"the record {looks}"
    if encoding := _wide_encoding(data):
        return f"the record looks like {encoding}; JSON in UTF-8 is accepted"
    if data[0] == 0:
        return "the record begins with a NUL byte; a JSON object is accepted"
    if _is_zlib(data):
        return "the record looks like zlib; JSON that is not compressed is accepted"
    return None


def diagnose_text(error: json.JSONDecodeError) -> str:
    """What a text that is no JSON looks like, or else where it stops being JSON."""
    text, position = error.doc, error.pos
    place = f"line {error.lineno}, column {error.colno}"
    stripped = text.strip()
    if not stripped:
        return "the record holds white space alone; a JSON object is accepted"
    if _is_base64_of_json(stripped):
        return _TWICE_BASE64
    if stripped.startswith("{") and error.msg == "Extra data" and _ANOTHER_OBJECT.match(text, position):
        return f"the record holds several objects, another one from {place}; one object a record is accepted"
    if _CSV.match(stripped):
        return "the record looks like CSV; a JSON object is accepted"
    expected = _EXPECTED.get(error.msg.rstrip(": "), error.msg)
    found = f"{shown(text[position : position + _FOUND])} stands" if position < len(text) else "it ends"
    return f"not JSON: {expected} at {place}, where {found}"


def diagnose_value(value: object) -> str | None:
    """What a JSON value that is no object looks like, if it looks like something known."""
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith("{"):
        return "the record is a JSON string with JSON in it; the object itself is accepted"
    return _TWICE_BASE64 if _is_base64_of_json(value.strip()) else None


def diagnose_envelope(fields: Mapping[str, object]) -> str | None:
    """Whose envelope the members are, and which of them to send instead."""
    match fields:
        case {"payload": {"op": _, "after": _} | {"before": _, "after": _}}:
            whose, member = "a Debezium", "payload.after"
        case {"op": _, "after": _} | {"before": _, "after": _}:
            whose, member = "a Debezium", "after"
        case {"specversion": _}:
            whose, member = "a CloudEvents", "data"
        case {"Type": _, "Message": _}:
            whose, member = "an SNS", "Message"
        case {"metadata": {"record-type": _} | {"operation": _} | {"table-name": _}}:
            whose, member = "a DMS", "data"
        case {"detail-type": _}:
            whose, member = "an EventBridge", "detail"
        case {"schema": _, "payload": _}:
            whose, member = "a Kafka Connect", "payload"
        case _:
            return None
    return f'the record looks like {whose} envelope; send its payload, the member "{member}"'


_TWICE_BASE64: Final = (
    "the record looks like base64 within base64; Kinesis's clients encode, so that JSON itself is accepted"
)


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32, by a byte order mark or by where the NULs of two ASCII characters stand."""
    encoding = json.detect_encoding(data)
    if not encoding.startswith(("utf-16", "utf-32")):
        return None
    head = data[:16].decode(encoding, "ignore")
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    plain = head and head[:2].isascii() and "\0" not in head
    return encoding[:6].upper() if marked or plain else None


def _is_zlib(data: bytes) -> bool:
    # RFC 1950: the two bytes of the header are a multiple of 31; text may begin like one too.
    if len(data) < 2 or data[0] != 0x78 or (data[0] << 8 | data[1]) % 31:
        return False
    try:
        return bool(zlib.decompressobj().decompress(data, 1))
    except zlib.error:
        return False


def _is_base64_of_json(text: str) -> bool:
    # Lines are broken in MIME's base64.
    if not _BASE64.fullmatch("".join(text.split())):
        return False
    try:
        inner = base64.b64decode(text[:8], validate=True)
    except binascii.Error:
        return False
    return inner.lstrip().startswith((b"{", b"\x1f\x8b"))
