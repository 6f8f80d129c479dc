"""The rules of docs/suppliers.md, applied plainly and slowly; by no code of the processor.

Where a record breaks several rules, the documents do not say which is named: any of them is right.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from reliability.strict_json import NUMBER, Number, read

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END_US = 253_402_300_800 * 10**6
_SKEW_US = 300 * 10**6
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
# Larger than what any record's digits make up for.
_ENDLESS = 10**9


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a record is: an update if it has no faults; `faults`: the codes that may be named.

    `supplier`: also of a rejected record, if it is readable. `event_time`: in UTC.
    """

    faults: frozenset[str] = frozenset()
    product_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    event_time: datetime = _EPOCH
    supplier: str | None = None


def judge(data: bytes, arrival_ms: int) -> Judgement:
    """Return what the rules say of a record's bytes, given when it arrived."""
    if len(data) > 65_536:
        return Judgement(frozenset({"too_large"}))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Judgement(frozenset({"invalid_utf8"}))
    members, faults = read(text)
    if not faults and not isinstance(members, dict):
        faults = {"not_an_object"}
    if faults:
        return Judgement(frozenset(faults))
    return _judge_members(members, arrival_ms)


def _judge_members(members: Mapping[str, Any], arrival_ms: int) -> Judgement:
    faults = set()
    if members.get("schema_version", Number("1")) != Number("1"):
        faults.add("unknown_schema")
    if not _is_product_id(members.get("product_id")):
        faults.add("invalid_product_id")
    supplier = members.get("supplier", "none")
    is_supplier = isinstance(supplier, str) and 1 <= len(supplier) <= 64
    if not is_supplier:
        faults.add("invalid_supplier")
    fields = {name: FIELDS[name](members[name]) for name in FIELDS if name in members}
    faults |= {f"invalid_{name}" for name, value in fields.items() if value is None}
    if not fields:
        faults.add("nothing_to_update")
    event_time_us = arrival_ms * 1000
    if "event_time" in members:
        event_time_us, wrong = _event_time(members["event_time"], arrival_ms)
        faults |= wrong
    return Judgement(
        faults=frozenset(faults),
        product_id=members["product_id"] if not faults else "",
        fields=fields if not faults else {},
        event_time=_EPOCH + event_time_us * _MICROSECOND if not faults else _EPOCH,
        supplier=members.get("supplier") if is_supplier else None,
    )


def _is_product_id(value: object) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 255
        and not {unicodedata.category(character) for character in value} & {"Cc", "Cf", "Cs"}
        and not {unicodedata.category(value[0]), unicodedata.category(value[-1])} & {"Zs", "Zl", "Zp"}
        and unicodedata.normalize("NFC", value) == value
    )


def _decimal(text: str) -> tuple[str, int]:
    """Return the digits of a number's amount, without zeros around them, and their power of ten."""
    mantissa, _, exponent = text.lower().removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    size = exponent.lstrip("+-0") or "0"
    power = int(size) if len(size) < 10 else _ENDLESS
    power = (-power if exponent.startswith("-") else power) - len(fraction)
    digits = whole + fraction
    return digits.strip("0"), power + len(digits) - len(digits.rstrip("0"))


def _amount(value: object, *, largest: str, decimals: int) -> Decimal | None:
    """Return a number from 0 to the largest with so many decimals; None if it is none."""
    if not isinstance(value, Number):
        return None
    digits, power = _decimal(value.text)
    if not digits:
        return Decimal(0)
    if value.text.startswith("-") or power < -decimals or len(digits) + power > len(largest):
        return None
    exact = Decimal(f"{digits}e{power}")
    return exact if exact <= Decimal(largest) else None


def _inventory(value: object) -> int | None:
    found = _amount(value, largest="2147483647", decimals=0)
    return None if found is None else int(found)


def _price(value: object) -> Decimal | None:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = Number(value)
    return _amount(value, largest="99999999.99", decimals=2)


def _discontinued(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


FIELDS: Mapping[str, Callable[[object], Any]] = {
    "inventory": _inventory,
    "price": _price,
    "discontinued": _discontinued,
}
"""Each field of a product: a value as it is sent → the value, or None if it is refused."""


def _event_time(value: object, arrival_ms: int) -> tuple[int, set[str]]:
    """Return microseconds since the epoch, and what is wrong with them."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return 0, {"invalid_event_time"}
    *numbers, fraction, sign, hours, minutes = found.groups()
    try:
        local = datetime(*map(int, numbers), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return 0, {"invalid_event_time"}
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= timedelta(hours=24) or int(minutes or 0) > 59 or local < _EPOCH:
        return 0, {"invalid_event_time"}
    local_us = (local - _EPOCH) // _MICROSECOND + int((fraction or "").ljust(6, "0")[:6])
    utc_us = local_us + (offset if sign == "-" else -offset) // _MICROSECOND
    wrong = set()
    if not 0 <= utc_us < _END_US:
        wrong.add("invalid_event_time")
    if utc_us > arrival_ms * 1000 + _SKEW_US:
        wrong.add("event_time_in_future")
    return utc_us, wrong
