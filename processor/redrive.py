"""Redriven records: quarantined ones that come again, fixed or as they were, with their identity (ADR 26).

The operators' program invokes the function with them:

    {"source": "catalog.redrive", "records": [{"shard": "shardId-000000000006", "sequence_number": "4959…",
     "sub_sequence": 0, "partition_key": "key" or null, "arrival_ms": 1769848200123, "data_base64": "…"}]}
"""

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from processor.aggregation import MAGIC
from processor.errors import EventError
from processor.json_values import shown
from processor.ports import Quarantine
from processor.records import (
    MAX_SEQUENCE_DIGITS,
    WHOLE_AGGREGATE,
    Record,
    is_arrival_ms,
    is_sequence_number,
    is_shard,
)
from processor.updates import Rejection

SOURCE = "catalog.redrive"
MAX_RECORDS = 10_000
"""As many as Lambda puts in a Kinesis batch at most."""

MEMBERS = ("shard", "sequence_number", "sub_sequence", "partition_key", "arrival_ms", "data_base64")
_DAY_MS = 24 * 60 * 60 * 1000
_MAX_SUB_SEQUENCE = 9_999_999  # a version has seven digits for it


def read_redrive(event: Mapping[str, object]) -> list[Record]:
    """Return the event's records, in its order.

    A sub-sequence of -1 is a whole aggregate, which is unpacked; any other record is a user record already.

    Raises: EventError: a member is missing or wrong, or a record is there twice.
    """
    listed = event.get("records")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_RECORDS:
        held = f"{len(listed)} records" if isinstance(listed, list) else shown(listed)
        raise EventError(f'"records" of the redrive is {held}; a list of 1 to {MAX_RECORDS} is accepted')
    records = [read_redriven(members, f"record {position}") for position, members in enumerate(listed, 1)]
    identities = {record[:3] for record in records}
    if len(identities) < len(records):
        raise EventError("the redrive has a record twice; each identity is accepted once")
    return records


def read_redriven(members: Any, place: str) -> Record:
    """Return the record that these members of an event are. Raises: EventError, which begins with `place`."""
    if not isinstance(members, Mapping) or set(members) != set(MEMBERS):
        raise EventError(f"{place} of the redrive does not have exactly the members {', '.join(MEMBERS)}")
    shard, number, sub_sequence, key, arrival_ms, encoded = (members[name] for name in MEMBERS)
    data = _decoded(encoded)
    for name, is_right, accepted in (
        ("shard", isinstance(shard, str) and is_shard(shard), "a shard's id"),
        ("sequence_number", is_sequence_number(number), f"a string of 1 to {MAX_SEQUENCE_DIGITS} digits"),
        (
            "sub_sequence",
            type(sub_sequence) is int and WHOLE_AGGREGATE <= sub_sequence <= _MAX_SUB_SEQUENCE,
            f"{WHOLE_AGGREGATE} to {_MAX_SUB_SEQUENCE}",
        ),
        ("partition_key", isinstance(key, str | None), "a string or null"),
        (
            "arrival_ms",
            type(arrival_ms) is int and is_arrival_ms(arrival_ms),
            "a whole number of milliseconds since 1970",
        ),
        ("data_base64", data is not None, "a string of base64"),
    ):
        if not is_right:
            raise EventError(
                f"{place} of the redrive: {name} is {shown(members[name])}; {accepted} is accepted"
            )
    # Unpacked, a record of an aggregate would get the identities of its neighbours.
    if (data or b"").startswith(MAGIC) is not (sub_sequence == WHOLE_AGGREGATE):
        raise EventError(
            f"{place} of the redrive: sub_sequence is {sub_sequence}; "
            f"{WHOLE_AGGREGATE} is accepted for an aggregate, and for nothing else"
        )
    return Record(shard, number, sub_sequence, key, arrival_ms, data or b"")


def batches(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records in batches of one shard and one day of arrival, each in the order of the stream.

    So an object of the archive has the day and the range of sequence numbers by which its records are found.
    """
    together: dict[tuple[str, int], list[Record]] = {}
    for record in sorted(
        records, key=lambda record: (int(record.sequence_number), record.sub_sequence, record.shard)
    ):
        together.setdefault((record.shard, record.arrival_ms // _DAY_MS), []).append(record)
    return list(together.values())


class NotedRejections:
    """A quarantine that notes which of the event's records were rejected again.

    `reasons`: position in the event → the reason; of an aggregate, that of its first record which was.
    """

    def __init__(self, quarantine: Quarantine, records: Sequence[Record]) -> None:
        self.reasons: dict[int, str] = {}
        self._quarantine = quarantine
        self._positions = {record[:3]: position for position, record in enumerate(records)}

    async def put(self, rejections: Sequence[Rejection]) -> None:
        await self._quarantine.put(rejections)
        for rejection in rejections:
            shard, number, sub_sequence = rejection.record[:3]
            position = self._positions.get((shard, number, sub_sequence))
            if position is None:
                position = self._positions[shard, number, WHOLE_AGGREGATE]
            self.reasons.setdefault(position, str(rejection.reason))

    async def note_survival(self, record: Record, process_id: str) -> None:
        await self._quarantine.note_survival(record, process_id)

    async def survivors(self, record: Record) -> frozenset[str]:
        return await self._quarantine.survivors(record)


def _decoded(encoded: object) -> bytes | None:
    try:
        return binascii.a2b_base64(encoded, strict_mode=True) if isinstance(encoded, str) else None
    except ValueError:
        return None
