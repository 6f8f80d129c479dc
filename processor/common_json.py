"""The fast way to read a record: the JSON objects that nearly every supplier sends.

Python's parser calls a function of ours for each object, to find duplicate keys, and takes four times as long
as msgspec, which keeps the last of two equal keys. Where counting shows that there are none, msgspec's
members are the same as those of `json_object`, which reads all other records; a test compares the two.
"""

from typing import Any

import msgspec

from processor.json_values import NumberText

_DECODER = msgspec.json.Decoder(float_hook=NumberText)
# Enough for any product, and too short for an integer that Python refuses.
_MAX_CHARACTERS = 4_000
_WHITE_SPACE = b" \t\r\n"


def read_common_object(data: bytes, text: str) -> dict[str, Any] | None:
    """Return the members of a JSON object, or None if it may be something else; `text`: the decoded bytes."""
    if "[" in text or len(text) > _MAX_CHARACTERS:
        return None
    try:
        fields = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    # Every key ends with a quotation mark and a colon. If there are no more of these than members, no key is
    # there twice, and no member is an object with keys. Some strings add to the count, which does no harm.
    if type(fields) is dict and data.translate(None, _WHITE_SPACE).count(b'":') == len(fields):
        return fields
    return None
