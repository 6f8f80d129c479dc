"""What suppliers and others wrote, as text that a terminal can show: no escape sequence, nothing endless."""

_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def safe(value: object, width: int = 80) -> str:
    """Return the value as one line of at most `width` characters, all of them printable.

    Others are escaped as Python does. Print it with markup off.
    """
    text = str(value)
    if len(text) <= width and text.isprintable():
        return text
    # Cut first: it may be megabytes long.
    shown = "".join(map(_printable, text[: width + 1]))
    return shown if len(shown) <= width and len(text) <= width else f"{shown[: width - 1]}…"


def counted(number: int, what: str) -> str:
    """Return how many of something, such as "1 record" or "2,000 records"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return _ESCAPED.get(character) or character.encode("unicode_escape").decode()
