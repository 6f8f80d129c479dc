"""JSON values as a record holds them, with exact numbers, and how a message shows them."""

import json

_SHOWN = 60
# Python refuses to print longer integers.
_DIGITS = 4_300
_TOO_LONG = 10**_DIGITS


class NumberText:
    """A JSON number with a fraction, an exponent or very many digits, as written; never made a float."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def kind_of(value: object) -> str:
    """Return what kind of JSON value it is, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "an integer"
        case float() | NumberText():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def shown(value: object) -> str:
    """Return a value as its supplier would recognise it, shortened."""
    length = 0
    match value:
        case NumberText():
            text = value.text
        case str():
            # Cut before it is escaped: it may be megabytes long.
            text, length = json.dumps(value[:_SHOWN]), len(value) + 2
        case int() if not -_TOO_LONG < value < _TOO_LONG:
            return f"an integer of over {_DIGITS} digits"
        case int() | float() | None:
            text = json.dumps(value)
        case _:
            return kind_of(value)
    length = max(length, len(text))
    return text if length <= _SHOWN else f"{text[:_SHOWN]}… ({length} characters)"
