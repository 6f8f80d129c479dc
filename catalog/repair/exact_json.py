"""JSON objects whose numbers stay exact: read as Decimal, written digit by digit, never a float."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


class NotJsonError(Exception):
    """Why bytes cannot be changed as JSON."""


def read_exact(data: bytes | str) -> Any:
    """Return the value; every number in it is a Decimal.

    Raises: NotJsonError, also where a key comes twice: which of them to keep would be a guess.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_members,
        )
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8: {error.reason} at byte {error.start + 1}") from error
    except InvalidOperation as error:
        raise NotJsonError("a number's exponent is too large") from error
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"not JSON: {error}") from error


def write_exact(value: Any) -> bytes:
    """Return the value as compact JSON. Raises: NotJsonError: a text holds a lone surrogate."""
    try:
        return _encode(value)
    except (UnicodeEncodeError, RecursionError) as error:
        raise NotJsonError(f"cannot be written as JSON: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJsonError("a key appears twice")
    return members


def _refuse_constant(name: str) -> None:
    raise NotJsonError(f"{name} is not JSON")
