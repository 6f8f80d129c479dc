"""Record → update or rejection: decode and validate (schema 1).

Pure: the verdict depends on the record's bytes and its arrival time only, never on the batch, the clock
or the database (invariant I3). Any 64 KiB of bytes are judged in well under 50 ms.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from processor.json_values import NumberText, kind_of, shown
from processor.product import REGISTERS
from processor.records import Record
from processor.registers import Refused

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8
MAX_PRODUCT_ID: Final = 255
MAX_SUPPLIER: Final = 64
MAX_CLOCK_SKEW_US: Final = 5 * 60 * 1_000_000
_FRACTIONAL_DIGITS: Final = 9  # what Go prints; .NET prints 7
_INTEGER_DIGITS: Final = 4_300  # Python refuses longer integers; a record this short holds none

_READ: Final = [(name, register.read) for name, register in REGISTERS.items()]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UTC: Final = _EPOCH.replace(tzinfo=None)  # prints without an offset
_MICROSECOND: Final = timedelta(microseconds=1)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# A string may lack its closing quote: were it no match then, the search would start again inside it.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_OPENS: Final = ord("[")
_OPENS_AND_CLOSES: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
# RFC 3339, section 5.6; "T" and "Z" may be written small there.
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)


class Update(NamedTuple):
    """A valid record's content; `values`: register → value inside, of those it mentions.

    `version` orders updates of one field: event time, then sequence number as a number, sub-sequence and
    shard, as one text that compares byte by byte (see `version_text`).
    """

    product_id: str
    values: Mapping[str, object]
    version: str
    supplier: str | None
    record: Record


class Rejection(NamedTuple):
    """A record that goes to quarantine, and why."""

    record: Record
    reason: str
    message: str
    supplier: str | None = None


def decode(record: Record) -> Update | Rejection:
    """The update a record carries, or why it carries none."""
    if record.defect is not None:
        return Rejection(record, *record.defect)
    fields: dict[str, Any] = {}
    try:
        fields = _read_json(record.data)
        return _validate(fields, record)
    except _Invalid as invalid:
        return Rejection(record, invalid.reason, invalid.message, _readable_supplier(fields))


def version_text(event_time_us: int, record: Record) -> str:
    """One comparable text for (event time, sequence number, sub-sequence, shard); ASCII, bytewise order.

    The length before the sequence number makes its text order its numeric order. The arrival time at the
    end never decides (shard, sequence and sub-sequence are unique); with it, the archive's day is known.
    `event_time_us`: microseconds since the epoch.
    """
    event_time = (_EPOCH_UTC + event_time_us * _MICROSECOND).isoformat(timespec="microseconds")
    sequence = record.sequence_number
    return (
        f"{event_time}Z {len(sequence):03d}:{sequence} {record.sub_sequence:07d} "
        f"{record.shard} {record.arrival_ms}"
    )


class _Invalid(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _Invalid("duplicate_key", f"the key {shown(twice)} stands twice; at most once")
    return members


def _constant(name: str) -> None:
    raise _Invalid("invalid_json", f"{name} is not JSON")


def _integer(text: str) -> int | NumberText:
    # Python refuses integers of over 4,300 digits; none of ours has more than ten.
    return int(text) if len(text) <= 20 else NumberText(text)


_FAST: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=NumberText, parse_constant=_constant)
_LONG: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=NumberText, parse_constant=_constant, parse_int=_integer
)


def _read_json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _Invalid("too_large", f"the record has {len(data)} bytes; at most {MAX_BYTES}")
    # Counting brackets is cheaper than following them, and enough for almost every record.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _refuse_depth(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Invalid(
            "invalid_utf8", f"byte {error.start} of the record is not UTF-8 ({error.reason})"
        ) from error
    try:
        fields = (_FAST if len(data) <= _INTEGER_DIGITS else _LONG).decode(text)
    except json.JSONDecodeError as error:
        said = error.msg.removesuffix(" at")  # as of an "Unterminated string starting at"
        raise _Invalid(
            "invalid_json", f"not JSON: {said} at line {error.lineno}, column {error.colno}"
        ) from error
    if not isinstance(fields, dict):
        raise _Invalid("not_an_object", f"the record is {kind_of(fields)}; a JSON object is accepted")
    return fields


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(_OPENS_AND_CLOSES, _NO_BRACKETS):
        depth += 1 if bracket == _OPENS else -1
        if depth > MAX_DEPTH:
            raise _Invalid("too_deep", f"nested deeper than {MAX_DEPTH}; objects and arrays count")


def _readable_supplier(fields: dict[str, Any]) -> str | None:
    supplier = fields.get("supplier")
    return supplier if isinstance(supplier, str) and 1 <= len(supplier) <= MAX_SUPPLIER else None


def _validate(fields: dict[str, Any], record: Record) -> Update:
    _check_schema(fields)
    product_id = _product_id(fields)
    supplier = _supplier(fields)
    values = _values(fields)
    event_time_us = record.arrival_ms * 1000
    if "event_time" in fields:
        event_time_us = _event_time_us(fields["event_time"], event_time_us)
    return Update(product_id, values, version_text(event_time_us, record), supplier, record)


def _check_schema(fields: dict[str, Any]) -> None:
    if "schema_version" in fields:
        version = fields["schema_version"]
        if type(version) is not int or version != 1:
            raise _Invalid("unknown_schema", f"schema_version is {shown(version)}; 1 is accepted")


def _product_id(fields: dict[str, Any]) -> str:
    if "product_id" not in fields:
        raise _Invalid("invalid_product_id", "product_id is missing")
    product_id = fields["product_id"]
    if not isinstance(product_id, str):
        raise _Invalid("invalid_product_id", f"product_id is {kind_of(product_id)}; a string is accepted")
    if not 1 <= len(product_id) <= MAX_PRODUCT_ID:
        raise _Invalid(
            "invalid_product_id", f"product_id has {len(product_id)} characters; 1 to {MAX_PRODUCT_ID}"
        )
    if not (product_id.isascii() and product_id.isprintable()):
        _refuse_characters("product_id", product_id)
    if product_id != product_id.strip():
        raise _Invalid("invalid_product_id", f"product_id has white space around it: {shown(product_id)}")
    return product_id


def _refuse_characters(name: str, text: str) -> None:
    for kind, pattern in (("control character", _CONTROL), ("lone surrogate", _SURROGATE)):
        if found := pattern.search(text):
            code = f"U+{ord(found.group()):04X}"
            raise _Invalid(f"invalid_{name}", f"{name} holds the {kind} {code} at character {found.start()}")


def _supplier(fields: dict[str, Any]) -> str | None:
    if "supplier" not in fields:
        return None
    supplier = fields["supplier"]
    if not isinstance(supplier, str):
        raise _Invalid("invalid_supplier", f"supplier is {kind_of(supplier)}; a string is accepted")
    if not 1 <= len(supplier) <= MAX_SUPPLIER:
        raise _Invalid("invalid_supplier", f"supplier has {len(supplier)} characters; 1 to {MAX_SUPPLIER}")
    return supplier


def _values(fields: dict[str, Any]) -> dict[str, object]:
    values = {}
    for name, read in _READ:
        if name in fields:
            try:
                values[name] = read(fields[name])
            except Refused as refused:
                raise _Invalid(f"invalid_{name}", f"{name} {refused}") from refused
    if not values:
        names = ", ".join(f'"{name}"' for name in REGISTERS)
        raise _Invalid("nothing_to_update", f"none of {names}; at least one is needed")
    return values


def _event_time_us(value: object, arrival_us: int) -> int:
    matched = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise _Invalid(
            "invalid_event_time",
            f"event_time is {shown(value)}; RFC 3339 with an offset and at most {_FRACTIONAL_DIGITS} "
            "fractional digits is accepted, such as 2026-01-31T08:30:00Z",
        )
    date, time, fraction, offset = matched.groups("")
    if len(fraction) > _FRACTIONAL_DIGITS:
        raise _Invalid(
            "invalid_event_time",
            f"event_time has {len(fraction)} fractional digits: {shown(value)}; at most {_FRACTIONAL_DIGITS}",
        )
    try:
        since_epoch = datetime.fromisoformat(f"{date}T{time}") - _EPOCH_UTC
    except ValueError as error:
        raise _Invalid(
            "invalid_event_time", f"event_time is {shown(value)}, no date and time: {error}"
        ) from error
    event_time_us = (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000
    if fraction:
        event_time_us += int(fraction[:6].ljust(6, "0"))
    if offset:
        event_time_us -= _offset_us(offset)
    if since_epoch.days < 0 or event_time_us < 0:
        raise _Invalid("invalid_event_time", f"event_time is {shown(value)}; 1970 or later is accepted")
    if event_time_us > arrival_us + MAX_CLOCK_SKEW_US:
        raise _Invalid(
            "event_time_in_future",
            f"event_time {shown(value)} is later than the arrival time {_instant(arrival_us)} "
            "by more than 5 minutes",
        )
    return event_time_us


def _offset_us(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return minutes * 60_000_000 * (-1 if offset[0] == "-" else 1)


def _instant(time_us: int) -> str:
    return (_EPOCH + time_us * _MICROSECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")
