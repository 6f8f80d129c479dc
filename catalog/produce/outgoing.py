"""Lines → the records of a stream: the partition key, and what a line lacks."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from catalog.produce.lines import Line

# Kinesis refuses more characters.
_KEY_CHARACTERS = 256
NO_KEY = "-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Outgoing(NamedTuple):
    """A record to send: the line it is from, its partition key and its bytes.

    `due_seconds`: when to send it, after the beginning; 0: at once. `fault`: why it cannot be sent.
    """

    line: int
    key: str
    data: bytes
    due_seconds: float = 0.0
    fault: str | None = None

    @property
    def size(self) -> int:
        """Bytes that Kinesis counts: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html."""
        return len(self.data) + len(self.key.encode())


def outgoing(
    lines: Iterable[Line], *, event_time: Callable[[int], str] | None, supplier: str | None
) -> Iterator[Outgoing]:
    """Yield the record of each line that is not empty, with its time and supplier where it has none.

    `event_time`: returns the event time for a line's number; None: records without one stay so.
    """
    for line in lines:
        data = line.data.strip(b" \t\r")
        if not data:
            continue
        if line.fault is not None:
            yield Outgoing(line.number, NO_KEY, data, fault=line.fault)
            continue
        members = _members(data)
        if members is None:
            yield Outgoing(line.number, NO_KEY, data)
            continue
        missing = {}
        if event_time is not None and "event_time" not in members:
            missing["event_time"] = event_time(line.number)
        if supplier is not None and "supplier" not in members:
            missing["supplier"] = supplier
        yield Outgoing(line.number, partition_key(members), _with(data, missing, is_empty=not members))


def partition_key(members: dict[str, Any]) -> str:
    """Return the product's id, so that the updates of a product stay in order."""
    product_id = members.get("product_id")
    if not isinstance(product_id, str):
        return NO_KEY
    return product_id.encode("utf-8", "replace").decode()[:_KEY_CHARACTERS] or NO_KEY


def sent_now() -> Callable[[int], str]:
    """Return event times for lines: now, and each later than the one before."""
    last = 0

    def event_time(_line: int) -> str:
        nonlocal last
        last = max(last + 1, time.time_ns() // 1000)
        return _rfc3339(last)

    return event_time


def changed_at(file_time_seconds: float) -> Callable[[int], str]:
    """Return event times for lines: when their file was changed, and a microsecond more for each line.

    So a file that is sent again, or from a line on, has the same event times.
    """
    begin = int(file_time_seconds * 1_000_000)
    return lambda line: _rfc3339(begin + line)


def _members(data: bytes) -> dict[str, Any] | None:
    try:
        members = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return members if type(members) is dict else None


def _with(data: bytes, missing: dict[str, str], *, is_empty: bool) -> bytes:
    """Return an object's bytes with more members at the end; all others stay as they are."""
    if not missing:
        return data
    more = json.dumps(missing, ensure_ascii=False, separators=(",", ":"))[1:]
    return data[:-1].rstrip() + (b"" if is_empty else b",") + more.encode()


def _rfc3339(microseconds: int) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
