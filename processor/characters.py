"""Which characters a text may hold, and why a supplier's text is rejected."""

from collections.abc import Mapping
from unicodedata import category, is_normalized, name, normalize

from processor.json_values import shown

CONTROL_OR_SURROGATE = {"Cc": "control character", "Cs": "lone surrogate"}
"""Unicode categories that no text may contain: the first break lines, the second have no UTF-8."""

MOST_ESCAPED_BYTES = len(r"\ud83d\ude00")
"""The length of the longest character in JSON as Python writes it."""


def fault(text: str, most: int, refused: Mapping[str, str]) -> str | None:
    """Return why a text is not 1 to `most` characters in normal form C without refused ones; None if it is.

    The message continues the text's name. `refused`: categories that are not printable → their names in
    messages.
    """
    if not 1 <= len(text) <= most:
        return f"has {len(text)} characters; 1 to {most} are accepted"
    # No character of those categories is printable.
    if not text.isprintable() and (found := _refused_character(text, refused)):
        return found
    if not (text.isascii() or is_normalized("NFC", text)):
        return _other_form(text)
    return None


def _refused_character(text: str, refused: Mapping[str, str]) -> str | None:
    for position, character in enumerate(text, 1):
        if what := refused.get(category(character)):
            called = f" ({name(character)})" if name(character, "") else ""
            return f"holds the {what} U+{ord(character):04X}{called} at character {position}"
    return None


def _other_form(text: str) -> str:
    normal = normalize("NFC", text)
    # Neither is a prefix of the other, since both have the same decomposition.
    differing = (pair for pair in enumerate(zip(text, normal, strict=False), 1) if len(set(pair[1])) == 2)
    position, (found, wanted) = next(differing)
    return (
        f"has U+{ord(found):04X} at character {position} where normal form C has U+{ord(wanted):04X}: "
        f"{shown(text)}; Unicode normal form C is accepted"
    )
