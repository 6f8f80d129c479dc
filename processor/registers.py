"""The kinds of registers: how each is read from a record, stored and cached.

A register is a field of a product that keeps its newest value, by its own version. A "value inside" is what
the kind's `read` returns: a whole number, whole cents (ADR 5), a boolean, a text; never None.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from processor import characters
from processor.json_values import NumberText, kind_of, shown

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
# What nearly every price looks like, for which no general arithmetic is needed.
_COMMON_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,7})\.[0-9]{1,2}")
# As PostgreSQL prints it: two decimals, no sign.
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})\.([0-9]{2})")
# Outside every range. A record's 64 KiB of digits cannot bring a larger exponent back into one.
_BEYOND_DIGITS = 20
_BEYOND = 10**20
_BEYOND_EXPONENT = 1_000_000
_MANY_DECIMALS = 100_000


class InvalidValueError(Exception):
    """Why a register does not accept a value; the message continues the register's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The rule of one field of a product.

    Args:
        rule: what every value is; the text continues "is not ".
        read: a record's JSON value → the value inside. JSON must be able to hold it, because changes that are
            applied one by one are sent to PostgreSQL as JSON. Raises: InvalidValueError.
        parameter: the PostgreSQL type of a value inside.
        stored: SQL from the value inside, `{}`, which may be NULL, to the value of a new row's column.
        to_cache: the column's value → its JSON value in the cache.
        from_cache: the reverse, for any JSON value. Raises: InvalidValueError.
        cached_bytes: the largest size of the JSON value in the cache.
    """

    rule: str
    read: Callable[[object], object]
    parameter: str
    stored: str
    to_cache: Callable[[Any], object]
    from_cache: Callable[[object], object]
    cached_bytes: int


def whole_number(most: int) -> Register:
    """Return a register for 0 to `most`, in any notation (`12.0`); 0 until it is set."""

    def read(value: object) -> int:
        if type(value) is int:
            number: int | None = value
        else:
            number = _whole(*_decimal(value.text)) if isinstance(value, NumberText) else None
        if number is None:
            raise InvalidValueError(f"is {_described(value)}; a whole number is accepted")
        if not 0 <= number <= most:
            raise InvalidValueError(f"is {shown(value)}; 0 to {most} is accepted")
        return number

    return Register(
        rule=f"a whole number from 0 to {most}",
        read=read,
        parameter="integer",
        stored="coalesce({}, 0)",
        to_cache=_as_it_is,
        from_cache=read,
        cached_bytes=len(str(most)),
    )


def money(most_cents: int) -> Register:
    """Return a register for 0 to `most_cents`, sent as number or text, never rounded; unset at first."""
    largest = f"{most_cents // 100}.{most_cents % 100:02d}"
    accepted = f"0 to {largest}"

    def read(value: object) -> int:
        cents = value * 100 if type(value) is int else _cents(value)
        if not 0 <= cents <= most_cents:
            raise InvalidValueError(f"is {shown(value)}; {accepted} is accepted")
        return cents

    def to_cache(stored: Decimal | None) -> str | None:
        return None if stored is None else str(stored)

    def from_cache(value: object) -> Decimal | None:
        if value is None:
            return None
        matched = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
        if matched is None or int("".join(matched.groups())) > most_cents:
            raise InvalidValueError("is not an amount as it is cached")
        # From the text: arithmetic depends on the shop's decimal context and may round.
        return Decimal(matched[0])

    return Register(
        rule=f"an amount from {accepted} with at most 2 decimals",
        read=read,
        parameter="bigint",
        stored="{} * 0.01",
        to_cache=to_cache,
        from_cache=from_cache,
        cached_bytes=max(len("null"), len(f'"{largest}"')),
    )


def flag() -> Register:
    """Return a register for true or false; false until it is set."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValueError(f"is {_described(value)}; true or false is accepted")
        return value

    return Register(
        rule="true or false",
        read=read,
        parameter="boolean",
        stored="coalesce({}, false)",
        to_cache=_as_it_is,
        from_cache=read,
        cached_bytes=len("false"),
    )


def text(most: int) -> Register:
    """Return a register for 1 to `most` characters in Unicode's normal form C, without control characters.

    The column is `text`, NULL until it is set.
    """

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidValueError(f"is {_described(value)}; a string is accepted")
        if fault := characters.fault(value, most, characters.CONTROL_OR_SURROGATE):
            raise InvalidValueError(fault)
        return value

    def from_cache(value: object) -> str | None:
        return None if value is None else read(value)

    return Register(
        rule=f"a text of 1 to {most} characters without control characters in Unicode's normal form C",
        read=read,
        parameter="text",
        stored="{}",
        to_cache=_as_it_is,
        from_cache=from_cache,
        cached_bytes=len('""') + characters.MOST_ESCAPED_BYTES * most,
    )


def _as_it_is(value: object) -> object:
    return value


def _described(value: object) -> str:
    if isinstance(value, str):
        return f"the string {shown(value)}"
    return shown(value) if isinstance(value, int | NumberText) else kind_of(value)


def _cents(value: object) -> int:
    """Return the exact hundredths of a number that is not an integer. Raises: InvalidValueError."""
    text = value.text if isinstance(value, NumberText) else value
    if not isinstance(text, str):
        raise InvalidValueError(f"is {_described(value)}; a number or a string with a number is accepted")
    if _COMMON_AMOUNT.fullmatch(text):
        return int(text.replace(".", "")) * (10 if text[-2] == "." else 1)
    digits, exponent = _decimal(text)
    cents = _whole(digits, exponent + 2)
    if cents is None:
        decimals = -exponent if -exponent < _MANY_DECIMALS else f"over {_MANY_DECIMALS}"
        raise InvalidValueError(f"has {decimals} decimals: {shown(value)}; at most 2 are accepted")
    return cents


def _decimal(text: str) -> tuple[str, int]:
    """Return a JSON number's exact value: digits without trailing zeros (or "0"), and their power of ten.

    "-19.990" is ("-1999", -2). Raises: InvalidValueError.
    """
    matched = _NUMBER.fullmatch(text)
    if matched is None:
        raise InvalidValueError(f"is {shown(text)}; a decimal number such as 19.99 is accepted")
    sign, whole, fraction, exponent = matched.groups("")
    written = whole + fraction
    digits = written.rstrip("0")
    if not digits:
        return "0", 0
    power = len(written) - len(digits) - len(fraction)
    return sign + digits.lstrip("0"), power + _exponent(exponent) if exponent else power


def _exponent(text: str) -> int:
    """Return the exponent, or one beyond every range if it has many digits, for which `int` would be slow."""
    digits = text.lstrip("+-").lstrip("0")
    size = int(digits or "0") if len(digits) < len(str(_BEYOND_EXPONENT)) else _BEYOND_EXPONENT
    return -size if text.startswith("-") else size


def _whole(digits: str, power: int) -> int | None:
    """Return the digits times ten to the power; None if not whole; just ±10**20 if beyond every range."""
    if power < 0:
        return None
    if len(digits) + power > _BEYOND_DIGITS:
        return -_BEYOND if digits.startswith("-") else _BEYOND
    return int(digits) * int(10**power)
