"""What suppliers and others wrote, as text that a terminal can show: no escape sequence, nothing endless.

Print it with markup off.
"""

from rich.text import Text


def escaped(foreign: str | bytes, most: int | None = None) -> str:
    """Return it as one line with everything that is not printable escaped; cut to `most` characters.

    Bytes are read as UTF-8; a byte that is none of a character is escaped as \\x…
    """
    # A character has at most four bytes; a megabyte is not escaped for one line of it.
    head = foreign if most is None else foreign[: most * 4]
    text = head.decode("utf-8", "backslashreplace") if isinstance(head, bytes) else head
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(map(_escaped_character, shown))
    if most is None or (len(shown) <= most and len(text) <= most and len(foreign) == len(head)):
        return shown
    return f"{shown[: most - 1]}…"


def safe(value: object, width: int = 80) -> str:
    """Return a value as such a line of at most `width` characters."""
    return escaped(str(value), width)


def plain(foreign: str | bytes, most: int | None = None, style: str = "") -> Text:
    """Return it escaped, for a table or a line: without markup."""
    return Text(escaped(foreign, most), style=style, overflow="fold")


def counted(number: int, what: str) -> str:
    """Return how many of something, such as "1 record", "2 batches" or "2,000 records"."""
    plural = "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{'' if number == 1 else plural}"


def _escaped_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
