"""What the pipeline stores, read without the processor's code: lines of the buckets, fields of a product."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

Identity: TypeAlias = tuple[str, str, int]
# A product's fields, and their values until an update sets them.
DEFAULTS: dict[str, Any] = {"inventory": 0, "price": None, "discontinued": False}
# Fields that are sent and cached as text, and compared as numbers.
AMOUNTS = {"price"}


def fields_of(product: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row, or of a cached value."""
    return {
        name: Decimal(product[name]) if name in AMOUNTS and product[name] is not None else product[name]
        for name in DEFAULTS
    }


def read_lines(body: bytes) -> Iterator[tuple[Identity, bytes, dict[str, Any]]]:
    """Yield the lines of an object of the archive or of quarantine: identity, data, members."""
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    for line in body.split(b"\n")[:-1]:
        members = json.loads(line)
        if "data_base64" in members:
            data = base64.b64decode(members["data_base64"], validate=True)
        else:
            data = line[line.index(b',"data":') + len(b',"data":') : -1]
        yield (members["shard"], members["sequence_number"], members["sub_sequence"]), data, members
