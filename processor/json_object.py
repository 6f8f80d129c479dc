"""Bytes → the JSON object they hold: UTF-8, limited depth, no duplicate key, exact numbers."""

import json
import re
from typing import Any

from processor.diagnosis import diagnose_bytes, diagnose_text, diagnose_value, not_json
from processor.json_values import NumberText, kind_of, shown
from processor.reasons import InvalidRecordError, Reason

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
_INTEGER_DIGITS = 4_300  # Python refuses longer integers; a record this short cannot hold one

# The closing quote may be missing: if that did not match, the search would start again inside the string.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_OPENS = ord("[")
_OPENS_AND_CLOSES = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_object(data: bytes) -> dict[str, Any]:
    """Return the members of the object; a number that is not a plain integer is a `NumberText`.

    Raises:
        InvalidRecordError: the bytes do not hold such an object; the message says what they look like.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRecordError(
            Reason.TOO_LARGE, f"the record has {len(data)} bytes; at most {MAX_BYTES} are accepted"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the record is not UTF-8 ({error.reason})"
        raise InvalidRecordError(Reason.INVALID_UTF8, diagnose_bytes(data) or message) from error
    # Counting brackets is cheaper than measuring depth, and enough for almost every record.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _refuse_depth(data)
    try:
        fields = (_FAST if len(data) <= _INTEGER_DIGITS else _LONG).decode(text)
    except json.JSONDecodeError as error:
        diagnosis = diagnose_bytes(data) or diagnose_text(error)
        raise InvalidRecordError(Reason.INVALID_JSON, diagnosis or not_json(error)) from error
    if not isinstance(fields, dict):
        message = f"the record is {kind_of(fields)}; a JSON object is accepted"
        raise InvalidRecordError(Reason.NOT_AN_OBJECT, diagnose_value(fields) or message)
    return fields


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(_OPENS_AND_CLOSES, _NO_BRACKETS):
        depth += 1 if bracket == _OPENS else -1
        if depth > MAX_DEPTH:
            raise InvalidRecordError(
                Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}; objects and arrays count"
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidRecordError(
            Reason.DUPLICATE_KEY, f"the key {shown(twice)} appears twice; each key is accepted once"
        )
    return members


def _constant(name: str) -> None:
    raise InvalidRecordError(Reason.INVALID_JSON, f"{name} is not JSON")


def _integer(text: str) -> int | NumberText:
    # Python refuses integers of over 4,300 digits; a valid one has at most ten.
    return int(text) if len(text) <= 20 else NumberText(text)


_FAST = json.JSONDecoder(object_pairs_hook=_object, parse_float=NumberText, parse_constant=_constant)
_LONG = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=NumberText, parse_constant=_constant, parse_int=_integer
)
