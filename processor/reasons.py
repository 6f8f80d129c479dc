"""Why records are rejected: one code per reason, its sentence for suppliers, and whose fault it is.

To add one, raise `InvalidRecordError` with it where its rule is checked, then run `make docs`, which writes
the sentences and remedies into docs/suppliers.md. The stacks have an alarm for each reason that is our fault.
"""

from enum import StrEnum

from processor.product import REGISTERS


class Fault(StrEnum):
    """Who has to fix it."""

    SUPPLIER = "supplier"
    OURS = "ours"


class Reason(StrEnum):
    """The code of a rejection; codes stay as they are, since tools and dashboards know them.

    `sentence`: what is wrong, in general; a rejection's own message says where. `fault`: whose it is.
    """

    sentence: str
    fault: Fault

    def __new__(cls, code: str, sentence: str = "", fault: Fault = Fault.SUPPLIER) -> "Reason":
        """Return a member made of one of the tuples below."""
        reason = str.__new__(cls, code)
        reason._value_ = code
        reason.sentence = sentence
        reason.fault = fault
        return reason

    # Each register has its own, `invalid_<its name>`, so a new one needs no entry here: `of_register` finds
    # it.
    vars().update(
        {
            f"INVALID_{name.upper()}": (f"invalid_{name}", f"`{name}` is not {register.rule}.")
            for name, register in REGISTERS.items()
        }
    )
    BAD_AGGREGATE = (
        "bad_aggregate",
        "The record begins like an aggregate of the Kinesis Producer Library but cannot be unpacked.",
    )
    TOO_LARGE = "too_large", "The record has more than 64 KiB."
    INVALID_UTF8 = "invalid_utf8", "The record is not UTF-8 text: compressed, UTF-16 or other bytes."
    INVALID_JSON = "invalid_json", "The record is text, but not JSON: broken, or several objects."
    NOT_AN_OBJECT = "not_an_object", "The record is JSON, but not an object."
    TOO_DEEP = "too_deep", "Objects and arrays in the record are nested more than 8 deep."
    DUPLICATE_KEY = "duplicate_key", "An object in the record has the same key twice."
    UNKNOWN_SCHEMA = "unknown_schema", "`schema_version` is not 1."
    INVALID_PRODUCT_ID = (
        "invalid_product_id",
        "`product_id` is missing, is not a string of 1 to 255 characters, or could be mistaken for another.",
    )
    INVALID_SUPPLIER = "invalid_supplier", "`supplier` is not a string of 1 to 64 characters."
    INVALID_EVENT_TIME = (
        "invalid_event_time",
        "`event_time` is not an RFC 3339 time with an offset, from 1970 to 9999.",
    )
    EVENT_TIME_IN_FUTURE = (
        "event_time_in_future",
        "`event_time` is more than 5 minutes later than the record's arrival.",
    )
    NOTHING_TO_UPDATE = "nothing_to_update", "The record names a product, but nothing to change."
    INVALID_BASE64 = (
        "invalid_base64",
        "The processor was invoked with data that is not base64, which Lambda never sends.",
        Fault.OURS,
    )
    INTERNAL_ERROR = "internal_error", "The processor failed on the record.", Fault.OURS
    CATALOG_REFUSED = (
        "catalog_refused",
        "The catalog's table refused a value that the rules accept.",
        Fault.OURS,
    )
    KILLED_PROCESS = (
        "killed_process",
        "Three processes died while they worked on the record alone.",
        Fault.OURS,
    )


def of_register(name: str) -> Reason:
    """Return the reason for rejecting a value of the register."""
    return Reason(f"invalid_{name}")


class InvalidRecordError(Exception):
    """The record is not a valid update: a value breaks a rule."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


_REMEDIES = {
    Reason.BAD_AGGREGATE: "Use a current Kinesis Producer Library, or put each update as its own record.",
    Reason.TOO_LARGE: "Send the fields of the table above only; leave out descriptions and images.",
    Reason.INVALID_UTF8: "Encode the JSON in UTF-8, without compression.",
    Reason.INVALID_JSON: "Send one JSON object per record; Kinesis's clients do the base64.",
    Reason.NOT_AN_OBJECT: "Send the object itself: not in an array, not as a string.",
    Reason.TOO_DEEP: "Send a flat object; no field of an update needs nesting.",
    Reason.DUPLICATE_KEY: "Send each key once.",
    Reason.UNKNOWN_SCHEMA: "Send 1, or leave `schema_version` out.",
    Reason.INVALID_PRODUCT_ID: "Send the id as the shop knows it; the message says what is wrong with yours.",
    Reason.INVALID_SUPPLIER: "Send a string of 1 to 64 characters, or leave `supplier` out.",
    Reason.INVALID_EVENT_TIME: "Send a time such as `2026-01-31T08:30:00Z`, or leave `event_time` out.",
    Reason.EVENT_TIME_IN_FUTURE: "Correct the producer's clock or its offset.",
    Reason.NOTHING_TO_UPDATE: "Send at least one of "
    + ", ".join(f"`{name}`" for name in REGISTERS)
    + "; check the spelling.",
}


def remedy(reason: Reason) -> str:
    """Return what a supplier can do about a rejection, for docs/suppliers.md.

    Raises:
        KeyError: the reason is new and has no remedy yet.
    """
    if reason.fault is Fault.OURS:
        return "Nothing: the operator fixes the cause, then sends the record again."
    for name, register in REGISTERS.items():
        if reason is of_register(name):
            return f"Send {register.rule}, or leave `{name}` out."
    return _REMEDIES[reason]
