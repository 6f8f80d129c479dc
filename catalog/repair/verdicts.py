"""What today's rules say about a quarantined record: the processor's own code, its original arrival."""

from enum import StrEnum

from catalog.repair.quarantined import Quarantined
from processor.aggregation import MAGIC
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record, expand
from processor.slices import decode_all
from processor.updates import Rejection, Update

OURS = frozenset({Reason.INTERNAL_ERROR, Reason.CATALOG_REFUSED, Reason.KILLED_PROCESS})
"""Reasons whose cause was ours: once it is fixed, the same bytes are accepted, or rejected rightly."""


class Chance(StrEnum):
    """What sending a record again would do, as far as it can be known here."""

    SEND = "send"
    REJECTED = "rejected by today's rules too"
    NOT_THE_BYTES = "the record's bytes were never received: its caller must send it again"


def decoded(record: Record) -> Update | Rejection:
    """Return what the processor makes of a record today."""
    return decode_all([record], [])[0]


def as_sent(found: Quarantined) -> Record:
    """Return the record under the identity with which it is sent again.

    An aggregate that could not be unpacked was quarantined whole, with sub-sequence 0 or -1.
    """
    is_whole = found.reason in (Reason.BAD_AGGREGATE, Reason.INTERNAL_ERROR, Reason.KILLED_PROCESS)
    if is_whole and found.record.sub_sequence == 0 and _is_aggregate(found.record):
        return found.record._replace(sub_sequence=WHOLE_AGGREGATE)
    return found.record


def chance(found: Quarantined) -> Chance:
    """Return whether to send a record again as it is.

    A record that killed its process is not looked at, since it may kill this one too.
    """
    record = as_sent(found)
    if found.reason == Reason.INVALID_BASE64:
        return Chance.NOT_THE_BYTES
    if _is_aggregate(record) != (record.sub_sequence == WHOLE_AGGREGATE):
        return Chance.REJECTED  # an aggregate within another
    if found.reason in OURS:
        return Chance.SEND
    if record.sub_sequence == WHOLE_AGGREGATE:
        return Chance.SEND if all(one.defect is None for one in expand(record)) else Chance.REJECTED
    return Chance.SEND if isinstance(decoded(record), Update) else Chance.REJECTED


def why_not_fixable(found: Quarantined) -> str | None:
    """Return why other bytes must not be sent for a record; None if they may."""
    if found.reason == Reason.INVALID_BASE64:
        return "its bytes were never received: its caller must send it again"
    if found.record.sub_sequence < 0 or found.reason == Reason.BAD_AGGREGATE:
        return "it is a whole aggregate; only `catalog quarantine redrive` sends it again"
    if found.reason == Reason.CATALOG_REFUSED:
        return "the archive holds its bytes as accepted: redrive it, or send a newer update of the supplier"
    return None


def _is_aggregate(record: Record) -> bool:
    return record.data.startswith(MAGIC)
