"""The identifiers in an update: the product's id, and the supplier's name."""

from typing import Any

from processor import characters
from processor.diagnosis import diagnose_envelope
from processor.json_values import kind_of, shown
from processor.product import MAX_PRODUCT_ID
from processor.reasons import InvalidRecordError, Reason

MAX_SUPPLIER = 64

# With these, two different ids look the same.
_REFUSED = {**characters.CONTROL_OR_SURROGATE, "Cf": "format character"}


def read_product_id(fields: dict[str, Any]) -> str:
    """Return the id of the product. Raises: InvalidRecordError."""
    if "product_id" not in fields:
        envelope = diagnose_envelope(fields)
        raise _invalid("product_id is missing" + (f"; {envelope}" if envelope else ""))
    product_id = fields["product_id"]
    if not isinstance(product_id, str):
        raise _invalid(f"product_id is {kind_of(product_id)}; a string is accepted")
    if fault := characters.fault(product_id, MAX_PRODUCT_ID, _REFUSED):
        raise _invalid(f"product_id {fault}")
    if product_id != product_id.strip():
        raise _invalid(f"product_id has white space around it: {shown(product_id)}")
    return product_id


def read_supplier(fields: dict[str, Any]) -> str | None:
    """Return who sent the update; None if it does not say. Raises: InvalidRecordError."""
    if "supplier" not in fields:
        return None
    supplier = fields["supplier"]
    if not isinstance(supplier, str):
        raise InvalidRecordError(
            Reason.INVALID_SUPPLIER, f"supplier is {kind_of(supplier)}; a string is accepted"
        )
    if not 1 <= len(supplier) <= MAX_SUPPLIER:
        raise InvalidRecordError(
            Reason.INVALID_SUPPLIER,
            f"supplier has {len(supplier)} characters; 1 to {MAX_SUPPLIER} are accepted",
        )
    return supplier


def readable_supplier(fields: dict[str, Any]) -> str | None:
    """Return who sent a rejected record; None if that cannot be read."""
    try:
        return read_supplier(fields)
    except InvalidRecordError:
        return None


def _invalid(message: str) -> InvalidRecordError:
    return InvalidRecordError(Reason.INVALID_PRODUCT_ID, message)
