"""Rules that mend all records of a reason. None invents a value; each takes only what it was made for."""

import codecs
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any
from unicodedata import category, normalize

from catalog.repair.exact_json import read_exact, write_exact
from processor.json_object import MAX_BYTES
from processor.reasons import Reason, of_register

_CENT = Decimal("0.01")
_MAX_DIGITS = 40
_GZIP = zlib.MAX_WBITS + 16


class RuleError(Exception):
    """Why a rule does not mend a record."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`does`: what it does, for the list of rules; `mend`: a record's bytes → the mended bytes."""

    name: str
    reasons: frozenset[str]
    does: str
    mend: Callable[[bytes], bytes]


def _member(name: str, change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Return what changes one member of the object; None leaves it out."""

    def mend(data: bytes) -> bytes:
        fields = read_exact(data)
        if not isinstance(fields, dict) or name not in fields:
            raise RuleError(f"it has no {name}")
        changed = change(fields[name])
        if changed is None:
            del fields[name]
        else:
            fields[name] = changed
        return write_exact(fields)

    return mend


def _rounded(rounding: str) -> Callable[[Any], Decimal]:
    context = Context(prec=_MAX_DIGITS, rounding=rounding)

    def change(value: Any) -> Decimal:
        if isinstance(value, str) and len(value) <= _MAX_DIGITS and value == value.strip():
            # As JSON: Decimal itself takes underscores and Infinity, too.
            value = read_exact(value)
        if not isinstance(value, Decimal) or len(value.as_tuple().digits) > _MAX_DIGITS:
            raise RuleError("its price is no number of up to 40 digits")
        # Digits beyond the 40 would make it fail, and a price has at most ten.
        if value.adjusted() >= _MAX_DIGITS - 2:
            raise RuleError("its price is too large")
        rounded = value.quantize(_CENT, context=context)
        if rounded.is_signed():
            raise RuleError("its price is negative")
        if not rounded and value:
            raise RuleError("it would cost nothing")
        return rounded

    return change


def _text(change: Callable[[str], str]) -> Callable[[Any], str]:
    def changed(value: Any) -> str:
        if not isinstance(value, str):
            raise RuleError("it is not a text")
        return change(value)

    return changed


def _visible(text: str) -> str:
    return "".join(character for character in text if category(character) != "Cf")


def _without(_: Any) -> None:
    return None


def _whole_number(value: Any) -> Decimal:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10):
        raise RuleError("its inventory is not a text of digits")
    return Decimal(int(value))


def _without_mark(data: bytes) -> bytes:
    if not data.startswith(codecs.BOM_UTF8):
        raise RuleError("it does not begin with a byte order mark")
    return data.removeprefix(codecs.BOM_UTF8)


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise RuleError(f"it is not gzip: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise RuleError("it is not one whole gzip of at most 64 KiB")
    return unpacked


_PRICE, _ID = frozenset({of_register("price")}), frozenset({Reason.INVALID_PRODUCT_ID})
_TIMES = frozenset({Reason.INVALID_EVENT_TIME, Reason.EVENT_TIME_IN_FUTURE})
_NOT_TEXT = frozenset({Reason.INVALID_UTF8, Reason.INVALID_JSON})

RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "price: round to 2 decimals",
            _PRICE,
            "half up: 19.995 becomes 20.00",
            _member("price", _rounded(ROUND_HALF_UP)),
        ),
        Rule(
            "price: round half even",
            _PRICE,
            "to 2 decimals, half to even: 19.985 becomes 19.98",
            _member("price", _rounded(ROUND_HALF_EVEN)),
        ),
        Rule(
            "product_id: trim",
            _ID,
            "without white space around it",
            _member("product_id", _text(str.strip)),
        ),
        Rule(
            "product_id: normalize",
            _ID,
            "in Unicode's normal form C",
            _member("product_id", _text(lambda text: normalize("NFC", text))),
        ),
        Rule(
            "product_id: visible",
            _ID,
            "without format characters, such as zero width spaces",
            _member("product_id", _text(_visible)),
        ),
        Rule(
            "inventory: text to number",
            frozenset({of_register("inventory")}),
            'from a text of digits: "12" becomes 12',
            _member("inventory", _whole_number),
        ),
        Rule(
            "event_time: leave out",
            _TIMES,
            "so that the record's arrival counts",
            _member("event_time", _without),
        ),
        Rule(
            "supplier: leave out",
            frozenset({Reason.INVALID_SUPPLIER}),
            "so that the record has none",
            _member("supplier", _without),
        ),
        Rule("record: byte order mark", _NOT_TEXT, "without the one at its beginning", _without_mark),
        Rule("record: gzip", _NOT_TEXT, "unpacked", _unpacked),
    )
}


def find_rule(name: str) -> Rule | None:
    """Return the rule of a name, whatever its spaces and case."""
    wanted = "".join(name.split()).lower()
    return next((rule for rule in RULES.values() if "".join(rule.name.split()) == wanted), None)
