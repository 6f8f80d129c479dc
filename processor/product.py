"""A product as the shop sees it, and how the cache holds it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

TIME_TO_LIVE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Product:
    """One row of the catalog; `price` is None until a supplier has told one; `last_updated` is UTC."""

    product_id: str
    inventory: int
    price: Decimal | None
    last_updated: datetime

    def to_json(self) -> str:
        """The cached value: `price` as a string or null, `last_updated` as RFC 3339 in UTC."""
        return json.dumps(
            {
                "product_id": self.product_id,
                "inventory": self.inventory,
                "price": None if self.price is None else str(self.price),
                "last_updated": self.last_updated.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            }
        )


def cached_product(product_id: str, value: bytes | str) -> Product | None:
    """The product a cached value holds; None if it is not one of this product.

    A product may be called `x:lease`; then its key is the lease of `x`, and what stands there may be
    that lease's token.
    """
    try:
        fields = json.loads(value)
        if fields["product_id"] != product_id:
            return None
        price = fields["price"]
        return Product(
            product_id,
            fields["inventory"],
            None if price is None else Decimal(price),
            datetime.fromisoformat(fields["last_updated"]),
        )
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return None


def value_key(product_id: str) -> str:
    """Where the cache holds a product."""
    return f"product:{product_id}"


def lease_key(product_id: str) -> str:
    """Where the cache holds the right to store a product, until it is invalidated; never a value's key."""
    return f"lease:{product_id}"
