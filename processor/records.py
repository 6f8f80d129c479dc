"""Event → records: the envelope Lambda delivers, strict base64, de-aggregation.

A Kinesis record may hold many user records, packed by the Kinesis Producer Library. All other modules handle
user records only, each with its identity (shard, sequence number, sub-sequence).
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from processor import aggregation
from processor.errors import EventError
from processor.json_values import shown
from processor.reasons import Reason

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html and API_Shard.html
MAX_SEQUENCE_DIGITS = 129
_SEQUENCE_NUMBER = re.compile(rf"0|[1-9][0-9]{{0,{MAX_SEQUENCE_DIGITS - 1}}}")
_SHARD = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


# The sub-sequence of an aggregate that is kept whole and never unpacked.
WHOLE_AGGREGATE = -1
# The end of 9999.
_LATEST_ARRIVAL_MS = 253_402_300_799_999
_NAME_SHOWN = 40


class Defect(NamedTuple):
    """Why a record is rejected: a code for programs, a message for the supplier."""

    reason: Reason
    message: str


class Record(NamedTuple):
    """One user record as received. `arrival_ms` is milliseconds since the epoch, UTC.

    `partition_key` is None if Kinesis chose the shard without one.
    """

    shard: str
    sequence_number: str
    sub_sequence: int
    partition_key: str | None
    arrival_ms: int
    data: bytes
    defect: Defect | None = None


def read_event(event: object) -> list[Record]:
    """Return the Kinesis records of a Lambda event, in order, not yet de-aggregated (`sub_sequence` 0).

    Raises:
        EventError: an event source mapping of a Kinesis stream does not send such an event.
    """
    records = event["Records"] if _has_records(event) else None
    if not isinstance(records, list):
        held = f'"Records" is {shown(records)}' if _has_records(event) else _shape(event)
        raise EventError(f'the event has no list "Records": {held}; a Kinesis batch is accepted')
    together = _read_together(records)
    if together is not None:
        return together
    return [_read_record(position, record) for position, record in enumerate(records, 1)]


def expand(record: Record) -> Iterator[Record]:
    """Yield the user records in a Kinesis record; the record itself if it cannot be unpacked."""
    if record.defect is not None or not record.data.startswith(aggregation.MAGIC):
        yield record
        return
    try:
        unpacked = aggregation.unpack(record.data)
    except aggregation.AggregateError as error:
        yield record._replace(defect=Defect(Reason.BAD_AGGREGATE, f"aggregated record: {error}"))
        return
    for sub_sequence, (partition_key, data) in enumerate(unpacked):
        yield record._replace(sub_sequence=sub_sequence, partition_key=partition_key, data=data)


def _read_together(records: list[Any]) -> list[Record] | None:
    """Return what `_read_record` makes of each, in half the time; None if anything is unusual."""
    try:
        kinesis = [record["kinesis"] for record in records]
        sources = {record["eventSource"] for record in records}
        shards = [record["eventID"].rpartition(":")[0] for record in records]
        sequence_numbers = [item["sequenceNumber"] for item in kinesis]
        partition_keys = [item.get("partitionKey") for item in kinesis]
        seconds = [item["approximateArrivalTimestamp"] for item in kinesis]
        encoded = [item["data"] for item in kinesis]
        data = [binascii.a2b_base64(each, strict_mode=True) for each in encoded]
        is_sound = (
            sources == {"aws:kinesis"}
            and all(map(is_shard, set(shards)))
            and all(map(_SEQUENCE_NUMBER.fullmatch, sequence_numbers))
            and set(map(type, partition_keys)) <= {str, type(None)}
            and set(map(type, seconds)) <= {float, int}
            and set(map(type, encoded)) == {str}
            and all(map(_is_arrival, (min(seconds), max(seconds))))
        )
        arrivals_ms = [round(second * 1000) for second in seconds]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return None
    if not is_sound:
        return None
    columns = zip(shards, sequence_numbers, partition_keys, arrivals_ms, data, strict=True)
    return [
        Record(shard, number, 0, key, arrival_ms, each) for shard, number, key, arrival_ms, each in columns
    ]


def _read_record(position: int, record: Any) -> Record:
    # Check all members together; checking each in turn costs a quarter more, so only a wrong record gets
    # that.
    try:
        kinesis = record["kinesis"]
        shard = record["eventID"].rpartition(":")[0]
        sequence_number, encoded = kinesis["sequenceNumber"], kinesis["data"]
        # May be null or missing:
        # https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-considerations.html
        partition_key = kinesis.get("partitionKey")
        seconds = kinesis["approximateArrivalTimestamp"]
        sound = (
            record["eventSource"] == "aws:kinesis"
            and is_shard(shard)
            and _SEQUENCE_NUMBER.fullmatch(sequence_number)
            and (partition_key is None or isinstance(partition_key, str))
            and _is_arrival(seconds)
            and isinstance(encoded, str)
        )
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise _refusal(position, record)
    try:
        data, defect = binascii.a2b_base64(encoded, strict_mode=True), None
    except ValueError as error:
        data = encoded.encode("utf-8", "surrogatepass")
        defect = Defect(Reason.INVALID_BASE64, f"the record's data is not base64: {error}")
    return Record(shard, sequence_number, 0, partition_key, round(seconds * 1000), data, defect)


@lru_cache(maxsize=64)  # a batch is of one shard
def is_shard(text: str) -> bool:
    """Return whether a text can be a shard's id."""
    return _SHARD.fullmatch(text) is not None


def is_sequence_number(value: object) -> bool:
    """Return whether a value is the text of a sequence number."""
    return isinstance(value, str) and _SEQUENCE_NUMBER.fullmatch(value) is not None


def is_arrival_ms(milliseconds: float) -> bool:
    """Return whether a time since the epoch is one that is accepted: from 1970 to the end of 9999."""
    return 0 <= milliseconds <= _LATEST_ARRIVAL_MS


def _refusal(position: int, record: Any) -> EventError:
    """Return what is wrong with a record that is known to be wrong."""
    if not isinstance(record, Mapping) or "eventSource" not in record:
        return _lacks(position, "eventSource")
    if record["eventSource"] != "aws:kinesis":
        return _wrong(position, "eventSource", record["eventSource"], '"aws:kinesis"')
    for name in ("kinesis", "eventID"):
        if name not in record:
            return _lacks(position, name)
    kinesis, event_id = record["kinesis"], record["eventID"]
    if not isinstance(kinesis, Mapping):
        return _wrong(position, "kinesis", kinesis, "an object")
    if not (isinstance(event_id, str) and _SHARD.fullmatch(event_id.rpartition(":")[0])):
        return _wrong(position, "eventID", event_id, '"<shard>:<sequence number>"')
    return _kinesis_refusal(position, kinesis)


def _kinesis_refusal(position: int, kinesis: Mapping[str, object]) -> EventError:
    for name in ("sequenceNumber", "approximateArrivalTimestamp", "data"):
        if name not in kinesis:
            return _lacks(position, f"kinesis.{name}")
    sequence_number, partition_key = kinesis["sequenceNumber"], kinesis.get("partitionKey")
    if not (isinstance(sequence_number, str) and _SEQUENCE_NUMBER.fullmatch(sequence_number)):
        return _wrong(position, "kinesis.sequenceNumber", sequence_number, "a string of 1 to 129 digits")
    if not isinstance(partition_key, str | None):
        return _wrong(position, "kinesis.partitionKey", partition_key, "a string or null")
    seconds = kinesis["approximateArrivalTimestamp"]
    if not _is_arrival(seconds):
        accepted = "a number of seconds since 1970, to the end of 9999,"
        return _wrong(position, "kinesis.approximateArrivalTimestamp", seconds, accepted)
    return _wrong(position, "kinesis.data", kinesis["data"], "a string of base64")


def _is_arrival(seconds: object) -> bool:
    # Not a boolean, which is an integer in Python. NaN and infinity are outside every range.
    return (type(seconds) is float or type(seconds) is int) and is_arrival_ms(seconds * 1000)


def _lacks(position: int, field: str) -> EventError:
    return EventError(f"record {position} of the event is not a Kinesis record: it has no {field}")


def _wrong(position: int, field: str, value: object, accepted: str) -> EventError:
    return EventError(f"record {position} of the event: {field} is {shown(value)}; {accepted} is accepted")


def _has_records(event: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(event, Mapping) and "Records" in event


def _shape(event: object) -> str:
    if isinstance(event, Mapping):
        return f"an object with {sorted(str(name)[:_NAME_SHOWN] for name in event)[:8]}"
    return f"a {type(event).__name__}"
