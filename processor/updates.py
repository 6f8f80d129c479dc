"""Record → update or rejection: decode and validate (schema 1).

Pure: the verdict depends on the record's bytes and its arrival time only, never on the batch, the clock
or the database (invariant I3). Any 64 KiB of bytes are judged in well under 50 ms.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from processor.json_object import read_object
from processor.json_values import NumberText, kind_of, shown
from processor.reasons import Invalid, Reason
from processor.records import Record
from processor.texts import read_product_id, read_supplier, readable_supplier

MAX_INVENTORY: Final = 2_147_483_647
MAX_PRICE_CENTS: Final = 9_999_999_999
MAX_CLOCK_SKEW_US: Final = 5 * 60 * 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UTC: Final = _EPOCH.replace(tzinfo=None)  # prints without an offset
_MICROSECOND: Final = timedelta(microseconds=1)
_NUMBER: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
# RFC 3339, section 5.6; "T" and "Z" may be written small there.
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-9]{2})(?:\.([0-9]{1,6}))?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)


class Update(NamedTuple):
    """A valid record's content; a field it does not mention is None.

    `version` orders updates of one field: event time, then sequence number as a number, sub-sequence and
    shard, as one text that compares byte by byte (see `version_text`).
    """

    product_id: str
    inventory: int | None
    price_cents: int | None
    version: str
    supplier: str | None
    record: Record


class Rejection(NamedTuple):
    """A record that goes to quarantine, and why."""

    record: Record
    reason: Reason
    message: str
    supplier: str | None = None


def decode(record: Record) -> Update | Rejection:
    """The update a record carries, or why it carries none."""
    if record.defect is not None:
        return Rejection(record, *record.defect)
    fields: dict[str, Any] = {}
    try:
        fields = read_object(record.data)
        return _validate(fields, record)
    except Invalid as invalid:
        return Rejection(record, invalid.reason, invalid.message, readable_supplier(fields))


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


def _validate(fields: dict[str, Any], record: Record) -> Update:
    _check_schema(fields)
    product_id = read_product_id(fields)
    supplier = read_supplier(fields)
    inventory = _inventory(fields["inventory"]) if "inventory" in fields else None
    price_cents = _price_cents(fields["price"]) if "price" in fields else None
    if inventory is None and price_cents is None:
        raise Invalid(Reason.NOTHING_TO_UPDATE, 'neither "inventory" nor "price"; at least one is needed')
    event_time_us = record.arrival_ms * 1000
    if "event_time" in fields:
        event_time_us = _event_time_us(fields["event_time"], event_time_us)
    return Update(product_id, inventory, price_cents, version_text(event_time_us, record), supplier, record)


def _check_schema(fields: dict[str, Any]) -> None:
    if "schema_version" in fields:
        version = fields["schema_version"]
        if type(version) is not int or version != 1:
            raise Invalid(Reason.UNKNOWN_SCHEMA, f"schema_version is {shown(version)}; 1 is accepted")


def _inventory(value: object) -> int:
    if type(value) is int and 0 <= value <= MAX_INVENTORY:
        return value
    if type(value) is int or (isinstance(value, NumberText) and value.text.lstrip("-").isdigit()):
        raise Invalid(Reason.INVALID_INVENTORY, f"inventory is {shown(value)}; 0 to {MAX_INVENTORY}")
    described = shown(value) if isinstance(value, NumberText) else kind_of(value)
    raise Invalid(Reason.INVALID_INVENTORY, f"inventory is {described}; an integer is accepted")


def _price_cents(value: object) -> int:
    """Cents of a price given as a JSON number or its text, exactly: no float, no rounding."""
    if type(value) is int:
        cents = value * 100
    elif isinstance(value, NumberText):
        cents = _cents(value.text, value)
    elif isinstance(value, str):
        cents = _cents(value, value)
    else:
        raise Invalid(Reason.INVALID_PRICE, f"price is {kind_of(value)}; a number or its text is accepted")
    if not 0 <= cents <= MAX_PRICE_CENTS:
        raise Invalid(Reason.INVALID_PRICE, f"price is {shown(value)}; 0 to 99999999.99")
    return cents


def _cents(text: str, value: object) -> int:
    matched = _NUMBER.fullmatch(text)
    if matched is None:
        raise Invalid(
            Reason.INVALID_PRICE, f"price is {shown(value)}; a decimal number such as 19.99 is accepted"
        )
    sign, whole, fraction, exponent_text = matched.groups(default="")
    # The exponent is judged by its length before it is made a number: 1E+999999 would take minutes.
    digits = exponent_text.lstrip("+-").lstrip("0")
    significant = (whole + fraction).lstrip("0")
    if len(digits) > 4 or len(significant) > 400:
        if not significant and not exponent_text.startswith("-"):
            return 0
        raise Invalid(Reason.INVALID_PRICE, f"price is {shown(value)}; 0 to 99999999.99, at most 2 decimals")
    exponent = int(digits or "0") * (-1 if exponent_text.startswith("-") else 1)
    decimals = max(0, len(fraction) - exponent)
    if decimals > 2:
        raise Invalid(Reason.INVALID_PRICE, f"price has {decimals} decimals: {shown(value)}; at most 2")
    cents: int = int(significant or "0") * 10 ** (exponent - len(fraction) + 2)
    return -cents if sign else cents


def _event_time_us(value: object, arrival_us: int) -> int:
    matched = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise Invalid(
            Reason.INVALID_EVENT_TIME,
            f"event_time is {shown(value)}; RFC 3339 with an offset and at most 6 fractional digits "
            "is accepted, such as 2026-01-31T08:30:00Z",
        )
    date, time, fraction, offset = matched.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}+00:00")
    except ValueError as error:
        raise Invalid(
            Reason.INVALID_EVENT_TIME, f"event_time is {shown(value)}, no date and time: {error}"
        ) from error
    event_time_us = (moment - _EPOCH) // _MICROSECOND + int((fraction or "").ljust(6, "0"))
    event_time_us -= _offset_us(offset)
    if moment.year < _EPOCH.year or event_time_us < 0:
        raise Invalid(Reason.INVALID_EVENT_TIME, f"event_time is {shown(value)}; 1970 or later is accepted")
    if event_time_us > arrival_us + MAX_CLOCK_SKEW_US:
        raise Invalid(
            Reason.EVENT_TIME_IN_FUTURE,
            f"event_time {shown(value)} is later than the arrival time {_instant(arrival_us)} "
            "by more than 5 minutes",
        )
    return event_time_us


def _offset_us(offset: str | None) -> int:
    if offset is None:
        return 0
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return minutes * 60_000_000 * (-1 if offset[0] == "-" else 1)


def _instant(time_us: int) -> str:
    return (_EPOCH + time_us * _MICROSECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")
