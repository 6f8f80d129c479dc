"""What may be the texts of an update: the product's id, and who sent it."""

from typing import Any, Final
from unicodedata import category, is_normalized, name, normalize

from processor.diagnosis import diagnose_envelope
from processor.json_values import kind_of, shown
from processor.reasons import Invalid, Reason

MAX_PRODUCT_ID: Final = 255
MAX_SUPPLIER: Final = 64

_KINDS: Final = {"Cc": "control character", "Cs": "lone surrogate", "Cf": "format character"}
"""Unicode's categories of characters that make twins of a product which nobody can tell apart."""


def read_product_id(fields: dict[str, Any]) -> str:
    """The id of the product an update is about. Raises: Invalid."""
    if "product_id" not in fields:
        envelope = diagnose_envelope(fields)
        raise _invalid("product_id is missing" + (f"; {envelope}" if envelope else ""))
    product_id = fields["product_id"]
    if not isinstance(product_id, str):
        raise _invalid(f"product_id is {kind_of(product_id)}; a string is accepted")
    if not 1 <= len(product_id) <= MAX_PRODUCT_ID:
        raise _invalid(f"product_id has {len(product_id)} characters; 1 to {MAX_PRODUCT_ID}")
    # No character of those categories is printable.
    if not product_id.isprintable():
        _refuse_characters(product_id)
    if product_id != product_id.strip():
        raise _invalid(f"product_id has white space around it: {shown(product_id)}")
    if not (product_id.isascii() or is_normalized("NFC", product_id)):
        _refuse_form(product_id)
    return product_id


def read_supplier(fields: dict[str, Any]) -> str | None:
    """Who sent the update, if it says so. Raises: Invalid."""
    if "supplier" not in fields:
        return None
    supplier = fields["supplier"]
    if not isinstance(supplier, str):
        raise Invalid(Reason.INVALID_SUPPLIER, f"supplier is {kind_of(supplier)}; a string is accepted")
    if not 1 <= len(supplier) <= MAX_SUPPLIER:
        raise Invalid(
            Reason.INVALID_SUPPLIER, f"supplier has {len(supplier)} characters; 1 to {MAX_SUPPLIER}"
        )
    return supplier


def readable_supplier(fields: dict[str, Any]) -> str | None:
    """Who sent a rejected record, as far as it can be read."""
    try:
        return read_supplier(fields)
    except Invalid:
        return None


def _invalid(message: str) -> Invalid:
    return Invalid(Reason.INVALID_PRODUCT_ID, message)


def _refuse_characters(product_id: str) -> None:
    for position, character in enumerate(product_id):
        if what := _KINDS.get(category(character)):
            called = f" ({name(character)})" if name(character, "") else ""
            raise _invalid(
                f"product_id holds the {what} U+{ord(character):04X}{called} at character {position}"
            )


def _refuse_form(product_id: str) -> None:
    normal = normalize("NFC", product_id)
    # Neither is a beginning of the other: they have the same decomposition.
    differing = (pair for pair in enumerate(zip(product_id, normal, strict=False)) if len(set(pair[1])) == 2)
    position, (found, wanted) = next(differing)
    raise _invalid(
        f"product_id has U+{ord(found):04X} at character {position} where normal form C has "
        f"U+{ord(wanted):04X}: {shown(product_id)}; Unicode normal form C is accepted"
    )
