"""Lambda's events: made, and read plainly by AWS's pages; by no code of the processor.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
"""

import base64
import math
import re
from typing import Any, NamedTuple

_SHARD = re.compile(r"([a-zA-Z0-9_.-]{1,128}):[^:]*")
_SEQUENCE_NUMBER = re.compile(r"0|[1-9][0-9]{0,128}")
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_END_MS = 253_402_300_800_000


class Arrived(NamedTuple):
    """A Kinesis record of an event; `data` is None if its text is not base64."""

    shard: str
    sequence_number: str
    partition_key: str | None
    arrival_ms: int
    data: bytes | None
    text: str


def record_of(data: bytes, sequence_number: str, *, shard: str, key: str, arrival_ms: int) -> dict[str, Any]:
    """Return a Kinesis record of an event, without the members that nothing reads."""
    return {
        "kinesis": {
            "partitionKey": key,
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": arrival_ms / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventID": f"{shard}:{sequence_number}",
    }


def read_event(event: Any) -> list[Arrived] | None:
    """Return an event's records; None if no mapping of a Kinesis stream sends such an event."""
    try:
        listed = event["Records"]
        return [_arrived(record) for record in listed] if isinstance(listed, list) else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _arrived(record: Any) -> Arrived:
    kinesis = record["kinesis"]
    number, text, seconds = kinesis["sequenceNumber"], kinesis["data"], kinesis["approximateArrivalTimestamp"]
    key = kinesis.get("partitionKey")
    shard = _SHARD.fullmatch(record["eventID"])
    if (
        record["eventSource"] != "aws:kinesis"
        or shard is None
        or not _SEQUENCE_NUMBER.fullmatch(number)
        or not isinstance(key, str | None)
        or not isinstance(text, str)
        or isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not math.isfinite(seconds)
        or not 0 <= seconds * 1000 < _END_MS
    ):
        raise ValueError("no Kinesis record")
    data = base64.b64decode(text) if _BASE64.fullmatch(text) else None
    return Arrived(shard[1], number, key, round(seconds * 1000), data, text)
