"""JSON read plainly and slowly, with exact numbers and every fault named; by no code of the processor."""

import re
from typing import Any, NamedTuple

MAX_DEPTH = 8
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_FOUR_DIGITS = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


class Number(NamedTuple):
    """A number, as it is written."""

    text: str


class _NotJsonError(Exception):
    """The text is no JSON from here on, or too deep to go on."""


def read(text: str) -> tuple[Any, set[str]]:
    """Return the value of a JSON text, and its faults: `invalid_json`, `too_deep`, `duplicate_key`.

    The value is right only if there is no fault. Of a text that is broken and deep, either may be said.
    """
    reader = _Reader(text)
    try:
        value = reader.value(0)
        if reader.at < len(text):
            raise _NotJsonError
    except _NotJsonError:
        if "too_deep" not in reader.faults:
            reader.faults.add("invalid_json")
            if text.count("[") + text.count("{") > MAX_DEPTH:
                reader.faults.add("too_deep")
        return None, reader.faults
    return value, reader.faults


class _Reader:
    """Reads from `at` on; white space around a value belongs to it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.faults: set[str] = set()

    def value(self, depth: int) -> Any:
        found: Any
        self._skip(_SPACE)
        match self.text[self.at : self.at + 1]:
            case "{" | "[" if depth == MAX_DEPTH:
                self.faults.add("too_deep")
                raise _NotJsonError
            case "{":
                found = self._object(depth + 1)
            case "[":
                found = self._array(depth + 1)
            case '"':
                found = self._string()
            case _:
                found = self._number_or_word()
        self._skip(_SPACE)
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self._take("{")
        self._skip(_SPACE)
        if self._has("}"):
            return members
        while True:
            self._skip(_SPACE)
            name = self._string()
            if name in members:
                self.faults.add("duplicate_key")
            self._skip(_SPACE)
            self._take(":")
            members[name] = self.value(depth)
            if self._has("}"):
                return members
            self._take(",")

    def _array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self._take("[")
        self._skip(_SPACE)
        if self._has("]"):
            return items
        while True:
            items.append(self.value(depth))
            if self._has("]"):
                return items
            self._take(",")

    def _string(self) -> str:
        parts = []
        self._take('"')
        while True:
            parts.append(self._skip(_PLAIN))
            if self._has('"'):
                break
            self._take("\\")
            parts.append(self._escape())
        # Two escapes may be halves of one character.
        return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _escape(self) -> str:
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter == "u" and (digits := _FOUR_DIGITS.match(self.text, self.at)):
            self.at += len(digits[0])
            return chr(int(digits[0], 16))
        if letter not in _ESCAPED:
            raise _NotJsonError
        return _ESCAPED[letter]

    def _number_or_word(self) -> Any:
        if found := NUMBER.match(self.text, self.at):
            self.at = found.end()
            return Number(found[0])
        for word, value in _WORDS.items():
            if self._has(word):
                return value
        raise _NotJsonError

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at += len(found[0]) if found else 0
        return found[0] if found else ""

    def _has(self, text: str) -> bool:
        is_there = self.text.startswith(text, self.at)
        self.at += len(text) if is_there else 0
        return is_there

    def _take(self, text: str) -> None:
        if not self._has(text):
            raise _NotJsonError
