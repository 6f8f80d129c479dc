"""Event → records: the envelope Lambda delivers, strict base64, de-aggregation.

A Kinesis record may hold many user records, packed by the Kinesis Producer Library; everything after
this module sees user records only, each with its identity (shard, sequence number, sub-sequence).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeGuard

from processor import aggregation
from processor.errors import EventError
from processor.json_values import shown
from processor.reasons import Reason

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html and API_Shard.html
_SEQUENCE_NUMBER = re.compile(r"0|[1-9][0-9]{0,128}")
_SHARD = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


# The sub-sequence of an aggregated record that is kept as a whole, never unpacked.
WHOLE_AGGREGATE: Final = -1
# Before 1970 or after 9999 no record arrives.
_LATEST_ARRIVAL_MS: Final = 253_402_300_799_999
_NAME_SHOWN: Final = 40


class Defect(NamedTuple):
    """Why a record is rejected: a code for machines, a sentence for the supplier."""

    reason: Reason
    message: str


class Record(NamedTuple):
    """One user record as received. `arrival_ms` is milliseconds since the epoch, UTC.

    `partition_key` is None where Kinesis distributed the record without one.
    """

    shard: str
    sequence_number: str
    sub_sequence: int
    partition_key: str | None
    arrival_ms: int
    data: bytes
    defect: Defect | None = None


def read_event(event: object) -> list[Record]:
    """The Kinesis records of a Lambda event, in order, not yet de-aggregated (`sub_sequence` 0).

    Raises:
        EventError: the event is not what an event source mapping of a Kinesis stream sends.
    """
    records = event["Records"] if _has_records(event) else None
    if not isinstance(records, list):
        held = f'"Records" is {shown(records)}' if _has_records(event) else _shape(event)
        raise EventError(f'the event has no list "Records": {held}; a Kinesis batch is accepted')
    return [_read_record(position, record) for position, record in enumerate(records)]


def expand(record: Record) -> Iterator[Record]:
    """The user records inside one Kinesis record; itself if it is not aggregated or cannot be unpacked."""
    if record.defect is not None or not record.data.startswith(aggregation.MAGIC):
        yield record
        return
    try:
        unpacked = aggregation.unpack(record.data)
    except aggregation.BadAggregate as error:
        yield record._replace(defect=Defect(Reason.BAD_AGGREGATE, f"aggregated record: {error}"))
        return
    for sub_sequence, (partition_key, data) in enumerate(unpacked):
        yield record._replace(sub_sequence=sub_sequence, partition_key=partition_key, data=data)


def _read_record(position: int, record: Any) -> Record:
    if not isinstance(record, Mapping) or "eventSource" not in record:
        raise EventError(f"record {position} of the event is not a Kinesis record: it has no eventSource")
    if record["eventSource"] != "aws:kinesis":
        source = shown(record["eventSource"])
        raise EventError(f'record {position} comes from {source}; only "aws:kinesis" is accepted')
    kinesis = _member(position, record, "kinesis")
    if not isinstance(kinesis, Mapping):
        raise _wrong(position, "kinesis", kinesis, "an object")
    event_id = _member(position, record, "eventID")
    shard = event_id.rpartition(":")[0] if isinstance(event_id, str) else None
    if not _matches(shard, _SHARD):
        raise _wrong(position, "eventID", event_id, '"<shard>:<sequence number>"')
    sequence_number = _member(position, kinesis, "sequenceNumber", "kinesis.")
    if not _matches(sequence_number, _SEQUENCE_NUMBER):
        raise _wrong(position, "kinesis.sequenceNumber", sequence_number, "a string of 1 to 129 digits")
    # None, or not there: https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-considerations.html
    partition_key = kinesis.get("partitionKey")
    if not isinstance(partition_key, str | None):
        raise _wrong(position, "kinesis.partitionKey", partition_key, "a string or null")
    arrival_ms = _arrival_ms(position, _member(position, kinesis, "approximateArrivalTimestamp", "kinesis."))
    encoded = _member(position, kinesis, "data", "kinesis.")
    if not isinstance(encoded, str):
        raise _wrong(position, "kinesis.data", encoded, "a string of base64")
    try:
        data, defect = base64.b64decode(encoded, validate=True), None
    except (binascii.Error, ValueError) as error:
        data = encoded.encode("utf-8", "surrogatepass")
        defect = Defect(Reason.INVALID_BASE64, f"the record's data is not base64: {error}")
    return Record(shard, sequence_number, 0, partition_key, arrival_ms, data, defect)


def _arrival_ms(position: int, seconds: object) -> int:
    # A boolean is an integer to Python; NaN and the infinities are in no range.
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        milliseconds = seconds * 1000
        if 0 <= milliseconds <= _LATEST_ARRIVAL_MS:
            return round(milliseconds)
    accepted = "a number of seconds since 1970, to the end of 9999,"
    raise _wrong(position, "kinesis.approximateArrivalTimestamp", seconds, accepted)


def _member(position: int, parent: Mapping[str, Any], name: str, path: str = "") -> Any:
    if name not in parent:
        raise EventError(f"record {position} of the event is not a Kinesis record: it has no {path}{name}")
    return parent[name]


def _wrong(position: int, field: str, value: object, accepted: str) -> EventError:
    said = shown(value)
    return EventError(f"record {position} of the event: {field} is {said}; {accepted} is accepted")


def _matches(value: object, pattern: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _has_records(event: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(event, Mapping) and "Records" in event


def _shape(event: object) -> str:
    if isinstance(event, Mapping):
        return f"an object with {sorted(str(name)[:_NAME_SHOWN] for name in event)[:8]}"
    return f"a {type(event).__name__}"
