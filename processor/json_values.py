"""JSON values as a record holds them: numbers as they are written, and how a message shows a value."""

import json
from typing import Any, Final

_SHOWN: Final = 60


class NumberText:
    """A JSON number with a fraction, an exponent or endless digits, as written: never made a float."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def kind_of(value: object) -> str:
    """What a value is, without its content."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "an integer"
        case NumberText():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def shown(value: Any) -> str:
    """A value as a supplier would recognise it, safe to print and short."""
    if isinstance(value, NumberText):
        text = value.text
    elif isinstance(value, str | int | float | bool | None):
        text = json.dumps(value)
    else:
        return kind_of(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
