"""The products that a record names, which may be no valid update."""

import json
from typing import Any


class _Members(list[tuple[str, Any]]):
    """An object's members, those with the same name too."""


def product_ids(data: bytes) -> set[str]:
    """Return what a record that is not a valid update calls its product, if that can be read."""
    try:
        members = json.loads(data, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return set()
    if not isinstance(members, _Members):
        return set()
    return {value for name, value in members if name == "product_id" and isinstance(value, str)}
