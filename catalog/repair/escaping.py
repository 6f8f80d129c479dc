"""Foreign text on the terminal: one line, nothing that it would obey, no longer than asked for."""

from rich.text import Text


def escaped(foreign: str | bytes, most: int | None = None) -> str:
    """Return it with everything that is not printable escaped; cut to `most` characters.

    Bytes are read as UTF-8; a byte that is none of a character is escaped as \\x…
    """
    # A character has at most four bytes; a megabyte is not escaped for one line of it.
    head = foreign if most is None else foreign[: most * 4]
    text = head.decode("utf-8", "backslashreplace") if isinstance(head, bytes) else head
    shown = "".join(_escaped_character(character) for character in text[:most])
    if most is None or (len(shown) <= most and len(text) <= most and len(foreign) == len(head)):
        return shown
    return f"{shown[: most - 1]}…"


def plain(foreign: str | bytes, most: int | None = None, style: str = "") -> Text:
    """Return it escaped, for a table or a line: without markup."""
    return Text(escaped(foreign, most), style=style, overflow="fold")


def _escaped_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
