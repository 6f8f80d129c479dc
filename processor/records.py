"""Event → records: the envelope Lambda delivers, strict base64, de-aggregation.

A Kinesis record may hold many user records, packed by the Kinesis Producer Library; everything after
this module sees user records only, each with its identity (shard, sequence number, sub-sequence).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from processor import aggregation
from processor.errors import EventError

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html and API_Shard.html
_SEQUENCE_NUMBER = re.compile(r"0|[1-9][0-9]{0,128}")
_SHARD = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


# The sub-sequence of an aggregated record that is kept as a whole, never unpacked.
WHOLE_AGGREGATE: Final = -1
# Before 1970 or after 9999 no record arrives.
_LATEST_ARRIVAL_MS: Final = 253_402_300_799_999


class Defect(NamedTuple):
    """Why a record is rejected: a code for machines, a sentence for the supplier."""

    reason: str
    message: str


class Record(NamedTuple):
    """One user record as received. `arrival_ms` is milliseconds since the epoch, UTC."""

    shard: str
    sequence_number: str
    sub_sequence: int
    partition_key: str
    arrival_ms: int
    data: bytes
    defect: Defect | None = None


def read_event(event: object) -> list[Record]:
    """The Kinesis records of a Lambda event, in order, not yet de-aggregated (`sub_sequence` 0).

    Raises:
        EventError: the event is not what an event source mapping of a Kinesis stream sends.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        raise EventError(f'the event has no list "Records": {_shape(event)}; a Kinesis batch is accepted')
    return [_read_record(position, record) for position, record in enumerate(records)]


def expand(record: Record) -> Iterator[Record]:
    """The user records inside one Kinesis record; itself if it is not aggregated or cannot be unpacked."""
    if record.defect is not None or not record.data.startswith(aggregation.MAGIC):
        yield record
        return
    try:
        unpacked = aggregation.unpack(record.data)
    except aggregation.BadAggregate as error:
        yield record._replace(defect=Defect("bad_aggregate", f"aggregated record: {error}"))
        return
    for sub_sequence, (partition_key, data) in enumerate(unpacked):
        yield record._replace(sub_sequence=sub_sequence, partition_key=partition_key, data=data)


def _read_record(position: int, record: Any) -> Record:
    if not isinstance(record, Mapping) or "eventSource" not in record:
        raise EventError(f"record {position} of the event is not a Kinesis record: it has no eventSource")
    if record["eventSource"] != "aws:kinesis":
        source = record["eventSource"]
        raise EventError(f'record {position} comes from {source!r}; only "aws:kinesis" is accepted')
    try:
        shard, _, _ = record["eventID"].rpartition(":")
        kinesis = record["kinesis"]
        sequence_number = kinesis["sequenceNumber"]
        partition_key = kinesis["partitionKey"]
        arrival_ms = round(kinesis["approximateArrivalTimestamp"] * 1000)
        encoded = kinesis["data"]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise EventError(f"record {position} of the event is not a Kinesis record: {error!r}") from error
    if not (_matches(_SEQUENCE_NUMBER, sequence_number) and _matches(_SHARD, shard)):
        raise EventError(
            f"record {position} has sequence number {sequence_number!r} and event id "
            f'{record["eventID"]!r}; "<shard>:<sequence number>" of a Kinesis record is accepted'
        )
    if not 0 <= arrival_ms <= _LATEST_ARRIVAL_MS:
        raise EventError(f"record {position} arrived at {arrival_ms} ms; 1970 to 9999 is accepted")
    if not (isinstance(partition_key, str) and isinstance(encoded, str)):
        raise EventError(f"record {position}: partitionKey and data of a Kinesis record are strings")
    try:
        data, defect = base64.b64decode(encoded, validate=True), None
    except (binascii.Error, ValueError) as error:
        data = encoded.encode("utf-8", "surrogatepass")
        defect = Defect("invalid_base64", f"the record's data is not base64: {error}")
    return Record(shard, sequence_number, 0, partition_key, arrival_ms, data, defect)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _shape(event: object) -> str:
    if isinstance(event, Mapping):
        return f"an object with {sorted(map(str, event))[:8]}"
    return f"a {type(event).__name__}"
