"""Records of every kind that suppliers get wrong: one maker for each reason of a rejection that is theirs."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from processor.aggregation import MAGIC
from processor.identifiers import MAX_SUPPLIER
from processor.product import REGISTERS
from processor.reasons import Reason, of_register

Fields = dict[str, Any]
_MANY = 70_000
_DEEP = 12


def _changed(**members: Any) -> Callable[[Fields, random.Random], bytes]:
    return lambda fields, _chance: encoded({**fields, **members})


def _without_values(fields: Fields, _chance: random.Random) -> bytes:
    # As a supplier does who misspells a field.
    return encoded({name: value for name, value in fields.items() if name not in REGISTERS} | {"stock": 1})


def _twice(fields: Fields, _chance: random.Random) -> bytes:
    text = encoded(fields)
    return text[:-1] + b',"product_id":' + json.dumps(fields["product_id"]).encode() + b"}"


def _cut_off(fields: Fields, chance: random.Random) -> bytes:
    text = encoded(fields)
    return text[: chance.randrange(2, len(text) - 1)]


def _deep(fields: Fields, _chance: random.Random) -> bytes:
    return encoded(fields)[:-1] + b',"note":' + b"[" * _DEEP + b"]" * _DEEP + b"}"


def _aggregate(_fields: Fields, chance: random.Random) -> bytes:
    # Without line ends: the records are also lines of a file.
    return MAGIC + bytes(chance.choice(b"abcdefgh") for _ in range(24))


BAD: Mapping[Reason, Callable[[Fields, random.Random], bytes]] = {
    **{of_register(name): _changed(**{name: []}) for name in REGISTERS},
    of_register("price"): _changed(price="19.995"),
    of_register("inventory"): _changed(inventory=-1),
    of_register("discontinued"): _changed(discontinued="yes"),
    Reason.BAD_AGGREGATE: _aggregate,
    Reason.TOO_LARGE: _changed(description="x" * _MANY),
    Reason.INVALID_UTF8: lambda fields, _: encoded(fields)[:-1] + b',"name":"Caf\xe9"}',
    Reason.INVALID_JSON: _cut_off,
    Reason.NOT_AN_OBJECT: lambda fields, _: b"[" + encoded(fields) + b"]",
    Reason.TOO_DEEP: _deep,
    Reason.DUPLICATE_KEY: _twice,
    Reason.UNKNOWN_SCHEMA: _changed(schema_version=2),
    Reason.INVALID_PRODUCT_ID: lambda fields, _: encoded(
        {**fields, "product_id": f" {fields['product_id']}"}
    ),
    Reason.INVALID_SUPPLIER: _changed(supplier="s" * (MAX_SUPPLIER + 1)),
    Reason.INVALID_EVENT_TIME: _changed(event_time="31.01.2026 08:30"),
    Reason.EVENT_TIME_IN_FUTURE: _changed(event_time="9999-01-01T00:00:00Z"),
    Reason.NOTHING_TO_UPDATE: _without_values,
}


def encoded(fields: Fields) -> bytes:
    """Return an update as suppliers send it."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
