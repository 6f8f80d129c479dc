"""A product: its registers, the shop's view of it, and its value in the cache.

Registers are named only here and in the migrations; decode, fold, the upsert and the reader follow
`REGISTERS`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, get_type_hints

from processor.characters import MOST_ESCAPED_BYTES
from processor.registers import InvalidValueError, Register, flag, money, whole_number


@dataclass(frozen=True, slots=True)
class Product:
    """One row of the catalog; `price` is None until a supplier has sent one; `last_updated` is UTC.

    A register has the same name here, in a record, as a column, and as a member of the cached value. Add new
    ones last, with a default.
    """

    product_id: str
    inventory: Annotated[int, whole_number(2_147_483_647)]
    price: Annotated[Decimal | None, money(9_999_999_999)]
    last_updated: datetime
    discontinued: Annotated[bool, flag()] = False

    def to_json(self) -> str:
        """Return the cached value: a price as a string or null, `last_updated` as RFC 3339 in UTC."""
        members = {name: register.to_cache(getattr(self, name)) for name, register in REGISTERS.items()}
        last_updated = _rfc3339(self.last_updated.astimezone(UTC))
        return json.dumps({"product_id": self.product_id, **members, "last_updated": last_updated})


def _rfc3339(utc: datetime) -> str:
    return utc.isoformat().replace("+00:00", "Z")


def _registers() -> dict[str, Register]:
    """Return the registers that `Product` declares, in its order."""
    found = {}
    for name, hint in get_type_hints(Product, include_extras=True).items():
        for register in getattr(hint, "__metadata__", ()):
            if isinstance(register, Register):
                found[name] = register
    return found


# By name.
REGISTERS: Mapping[str, Register] = _registers()
COLUMNS = tuple(field.name for field in fields(Product))
MAX_PRODUCT_ID = 255
# The length of the longest cached value.
MAX_VALUE_BYTES = (
    len('{"product_id": "", "last_updated": "2026-01-31T08:30:00.123456Z"}')
    + MAX_PRODUCT_ID * MOST_ESCAPED_BYTES
    + sum(len(f'"{name}": , ') + register.cached_bytes for name, register in REGISTERS.items())
)


def cached_product(product_id: str, value: bytes | str) -> Product | None:
    """Return the product that a cached value holds; None if `to_json` did not write it for this product.

    None, a miss, is also returned for another product's value, and for a value of the previous release that
    lacks a new register: old and new code share a cache during a deploy. And in the previous release the key
    of a product named `x:lease` was the lease of `x`, so the value may be that lease's token.
    """
    try:
        members = json.loads(value if isinstance(value, str) else value.decode())
        if members["product_id"] != product_id:
            return None
        values: dict[str, Any] = {
            name: register.from_cache(members[name]) for name, register in REGISTERS.items()
        }
        last_updated = datetime.fromisoformat(members["last_updated"]).astimezone(UTC)
        if _rfc3339(last_updated) != members["last_updated"]:
            return None
        return Product(product_id=product_id, last_updated=last_updated, **values)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, InvalidValueError):
        return None
