"""A product: which registers it has, how the shop sees it, and how the cache holds it.

Here a register is named, and in the migrations; decode, fold, the upsert and the reader follow `REGISTERS`.
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
    """One row of the catalog; `price` is None until a supplier has told one; `last_updated` is UTC.

    A register's name here is its name in a record, its column's, and its member's in the cache. New ones
    come last, with a default.
    """

    product_id: str
    inventory: Annotated[int, whole_number(2_147_483_647)]
    price: Annotated[Decimal | None, money(9_999_999_999)]
    last_updated: datetime
    discontinued: Annotated[bool, flag()] = False

    def to_json(self) -> str:
        """The cached value: a price as a string or null, `last_updated` as RFC 3339 in UTC."""
        members = {name: register.to_cache(getattr(self, name)) for name, register in REGISTERS.items()}
        last_updated = _rfc3339(self.last_updated.astimezone(UTC))
        return json.dumps({"product_id": self.product_id, **members, "last_updated": last_updated})


def _rfc3339(utc: datetime) -> str:
    return utc.isoformat().replace("+00:00", "Z")


def _registers() -> dict[str, Register]:
    """The registers that `Product` declares, in its order."""
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
# No cached value is longer.
MAX_VALUE_BYTES = (
    len('{"product_id": "", "last_updated": "2026-01-31T08:30:00.123456Z"}')
    + MAX_PRODUCT_ID * MOST_ESCAPED_BYTES
    + sum(len(f'"{name}": , ') + register.cached_bytes for name, register in REGISTERS.items())
)


def cached_product(product_id: str, value: bytes | str) -> Product | None:
    """The product a cached value holds; None if it is not one of this product, as `to_json` writes it.

    A product may be called `x:lease`; then its key is the lease of `x`, and what stands there may be
    that lease's token. A value of the release before this one lacks its new registers: a miss too, so that
    old and new code share a cache during a deploy.
    """
    try:
        members = json.loads(value if isinstance(value, str) else value.decode())
        if members["product_id"] != product_id:
            return None
        told: dict[str, Any] = {
            name: register.from_cache(members[name]) for name, register in REGISTERS.items()
        }
        last_updated = datetime.fromisoformat(members["last_updated"]).astimezone(UTC)
        if _rfc3339(last_updated) != members["last_updated"]:
            return None
        return Product(product_id=product_id, last_updated=last_updated, **told)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, InvalidValueError):
        return None
