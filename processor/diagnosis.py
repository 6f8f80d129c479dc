"""Messages that tell a supplier what a rejected record looks like: gzip, CSV, another system's envelope.

Used only for records that are rejected already. A wrong guess would mislead, so each diagnosis needs evidence
that nothing else has. No code here iterates over the bytes in Python.
"""

import base64
import binascii
import codecs
import json
import re
import zlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TypeVar

from processor import aggregation
from processor.json_values import shown

_BEGINNINGS = (
    (codecs.BOM_UTF8, "begins with a byte order mark; JSON without one is accepted"),
    (b"\x1f\x8b\x08", "looks like gzip; JSON that is not compressed is accepted"),
    (b"\x28\xb5\x2f\xfd", "looks like Zstandard; JSON that is not compressed is accepted"),
    (aggregation.MAGIC, "is an aggregated record within another; JSON is accepted there"),
)
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]+)={0,2}")
# An object, perhaps the first in a list, with the name of its first member.
_OBJECT = re.compile(r'\s*(?:\[\s*)?\{\s*"[^"\\]{1,255}"\s*:')
# As much of a record as is enough to recognise it.
_HEAD = 1024
_SEPARATOR = re.compile(r"[,;|\t]")
# Brackets, names of members, the pairs of a form, and prose, which has a space after its commas.
_NO_CSV = re.compile(r"""[\][{}<>()=&]|["']\s*:|[,;|:]\s""")
_LETTER = re.compile(r"[^\W\d_]")
_NUMBER_FIELD = re.compile(r'(?:^|[,;|\t])"?-?[0-9]+(?:\.[0-9]+)?"?(?:$|[,;|\t])')
_STANDARD_DIGITS = str.maketrans("-_", "+/")
_GZIP = zlib.MAX_WBITS + 16
_ANOTHER_OBJECT = re.compile(r"[,;]?\s*\{")
_FOUND = 20
# By Python's messages, which differ between versions and are written for programmers.
_EXPECTED = {
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

_Input = TypeVar("_Input")


def never_raising(diagnose: Callable[[_Input], str | None]) -> Callable[[_Input], str | None]:
    """Make `diagnose` return None where it raises.

    The record is rejected already. A bug in its diagnosis must not turn a supplier's mistake into an error of
    ours.
    """

    @wraps(diagnose)
    def diagnosed(value: _Input) -> str | None:
        try:
            return diagnose(value)
        except MemoryError:
            raise  # a momentary shortage says nothing about the record
        except Exception:  # noqa: BLE001 see above
            return None

    return diagnosed


@never_raising
def diagnose_bytes(data: bytes) -> str | None:
    """Return what bytes that are not JSON look like, if that is known."""
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


@never_raising
def diagnose_text(error: json.JSONDecodeError) -> str | None:
    """Return what a text that is not JSON looks like, if that is known."""
    text = error.doc
    stripped = text.strip()
    if not stripped:
        return "the record holds white space alone; a JSON object is accepted"
    if _is_base64_of_json(stripped):
        return _TWICE_BASE64
    if stripped.startswith("{") and error.msg == "Extra data" and _ANOTHER_OBJECT.match(text, error.pos):
        place = f"line {error.lineno}, column {error.colno}"
        found = f"the record holds several objects, another one from {place}"
        return f"{found}; one object per record is accepted"
    return "the record looks like CSV; a JSON object is accepted" if _is_csv(stripped) else None


def not_json(error: json.JSONDecodeError) -> str:
    """Return where a text stops being JSON."""
    text, position = error.doc, error.pos
    expected = _EXPECTED.get(error.msg.rstrip(": "), error.msg)
    found = (
        f"found {shown(text[position : position + _FOUND])}"
        if position < len(text)
        else "the text ends there"
    )
    return f"not JSON: {expected} at line {error.lineno}, column {error.colno}; {found}"


@never_raising
def diagnose_value(value: object) -> str | None:
    """Return what a JSON value that is not an object looks like, if that is known."""
    if not isinstance(value, str):
        return None
    if _OBJECT.match(value):
        return "the record is a JSON string with JSON in it; the object itself is accepted"
    return _TWICE_BASE64 if _is_base64_of_json(value.strip()) else None


@never_raising
def diagnose_envelope(fields: Mapping[str, object]) -> str | None:
    """Return whose envelope the members are, and which of them to send instead."""
    match fields:
        case {"payload": {"op": _, "after": _} | {"before": _, "after": _}}:
            whose, member = "a Debezium", "payload.after"
        case {"op": _, "after": _} | {"before": _, "after": _}:
            whose, member = "a Debezium", "after"
        case {"specversion": _, "data_base64": _}:
            whose, member = "a CloudEvents", "data_base64"
        case {"specversion": _, "data": _}:
            whose, member = "a CloudEvents", "data"
        case {"Type": _, "Message": _}:
            whose, member = "an SNS", "Message"
        case {"data": _, "metadata": {"record-type": _} | {"operation": _} | {"table-name": _}}:
            whose, member = "a DMS", "data"
        case {"detail-type": _, "detail": _}:
            whose, member = "an EventBridge", "detail"
        case {"schema": _, "payload": _}:
            whose, member = "a Kafka Connect", "payload"
        case _:
            return None
    decoded = ", decoded" if member == "data_base64" else ""
    return f'the record looks like {whose} envelope; send its payload, the member "{member}"{decoded}'


_TWICE_BASE64 = (
    "the record looks like base64 within base64; Kinesis's clients encode, so that JSON itself is accepted"
)


def _wide_encoding(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 if the bytes are a text with a byte order mark, or a JSON object, in it."""
    encoding = json.detect_encoding(data)
    if not encoding.startswith(("utf-16", "utf-32")):
        return None
    # Encodings with a byte order mark have names without a byte order.
    marked = not encoding.endswith("e")
    head = data[:_HEAD].decode(encoding, "ignore")
    is_text = marked and head and "".join(head.split()).isprintable()
    return encoding[:6].upper() if is_text or _OBJECT.match(head) else None


def _is_zlib(data: bytes) -> bool:
    # RFC 1950: the two bytes of the header are a multiple of 31. Text may begin like that too.
    if len(data) < 2 or data[0] != 0x78 or (data[0] << 8 | data[1]) % 31:
        return False
    return _inflates_to_json(data, zlib.MAX_WBITS)


def _inflates_to_json(data: bytes, window_bits: int) -> bool:
    try:
        head = zlib.decompressobj(window_bits).decompress(data, _HEAD)
    except zlib.error:
        return False
    return _OBJECT.match(head.decode("utf-8", "ignore")) is not None


def _is_base64_of_json(text: str) -> bool:
    # MIME's base64 has line breaks.
    matched = _BASE64.fullmatch("".join(text.split()))
    if matched is None:
        return False
    digits = matched[1].translate(_STANDARD_DIGITS)
    try:
        inner = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
        return _OBJECT.match(inner.decode("utf-8")) is not None
    except binascii.Error:
        return False
    except UnicodeDecodeError:
        return _inflates_to_json(inner, _GZIP)


def _is_csv(text: str) -> bool:
    """Return whether there are two lines with the same separators, or one with numbers among texts."""
    first, *rest = text[:_HEAD].splitlines()[:2]
    separators = _SEPARATOR.findall(first)
    if not separators or _NO_CSV.search(first):
        return False
    if rest and _SEPARATOR.findall(rest[0]) == separators:
        return True
    return _LETTER.search(first) is not None and _NUMBER_FIELD.search(first) is not None
