"""Redriven records: the event is read strictly, and grouped so that the archive's objects can be found."""

import base64
from typing import Any

import pytest

from processor.errors import EventError
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record
from processor.redrive import MAX_RECORDS, NotedRejections, batches, read_redrive
from processor.updates import Rejection
from tests.support.events import ARRIVAL_MS, SHARD, aggregate, record, sequence
from tests.support.fakes import FakeServices

DAY_MS = 24 * 60 * 60 * 1000


def members(**changes: Any) -> dict[str, Any]:
    """Return the members of one record of the event."""
    return {
        "shard": SHARD,
        "sequence_number": sequence(0),
        "sub_sequence": 0,
        "partition_key": "key",
        "arrival_ms": ARRIVAL_MS,
        "data_base64": base64.b64encode(b"data").decode(),
    } | changes


def test_a_record_is_read_with_its_identity() -> None:
    event = {"source": "catalog.redrive", "records": [members(sub_sequence=7, partition_key=None)]}
    assert read_redrive(event) == [Record(SHARD, sequence(0), 7, None, ARRIVAL_MS, b"data")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shard": "a/b"}, 'shard is "a/b"; a shard\'s id is accepted'),
        ({"sequence_number": 12}, "sequence_number is 12; a string of 1 to 129 digits is accepted"),
        ({"sequence_number": "012"}, 'sequence_number is "012"'),
        ({"sub_sequence": True}, "sub_sequence is true; -1 to 9999999 is accepted"),
        ({"sub_sequence": -2}, "sub_sequence is -2"),
        ({"partition_key": 1}, "partition_key is 1; a string or null is accepted"),
        ({"arrival_ms": 1.5}, "arrival_ms is 1.5; a whole number of milliseconds since 1970 is accepted"),
        ({"arrival_ms": -1}, "arrival_ms is -1"),
        ({"data_base64": "x"}, 'data_base64 is "x"; a string of base64 is accepted'),
        ({"more": 1}, "does not have exactly the members shard, sequence_number"),
        ({"sub_sequence": WHOLE_AGGREGATE}, "sub_sequence is -1; -1 is accepted for an aggregate"),
        (
            {"data_base64": base64.b64encode(aggregate([("k", b"{}")])).decode()},
            "sub_sequence is 0; -1 is accepted for an aggregate, and for nothing else",
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError, match="record 2 of the redrive") as raised:
        read_redrive({"records": [members(), members(sequence_number=sequence(1)) | changes]})
    assert message in str(raised.value)


@pytest.mark.parametrize("records", [None, {}, [], [members()] * (MAX_RECORDS + 1)])
def test_a_list_of_another_length_is_refused(records: object) -> None:
    with pytest.raises(EventError, match="a list of 1 to 10000 is accepted"):
        read_redrive({"records": records})


def test_an_identity_comes_once() -> None:
    with pytest.raises(EventError, match="each identity is accepted once"):
        read_redrive({"records": [members(), members(data_base64="")]})


def test_a_batch_has_one_shard_and_one_day_in_the_order_of_the_stream() -> None:
    """So the key of its object in the archive has the day and the range of its records."""
    later = record(b"c", 2, arrival_ms=ARRIVAL_MS + DAY_MS)
    other = record(b"b", 1, shard="shardId-000000000007")
    first, second = record(b"a", 0, sub_sequence=9), record(b"a", 0, sub_sequence=10)
    assert batches([later, second, other, first]) == [[first, second], [other], [later]]


async def test_what_is_rejected_again_is_noted_by_its_position_in_the_event() -> None:
    whole = record(b"", 1)._replace(sub_sequence=WHOLE_AGGREGATE)
    noted = NotedRejections(FakeServices().ports.quarantine, [record(b"a", 0), whole, record(b"b", 2)])
    inside = record(b"x", 1, sub_sequence=3)
    await noted.put([Rejection(record(b"b", 2), Reason.INVALID_JSON, "")])
    await noted.put([Rejection(inside, Reason.TOO_DEEP, ""), Rejection(inside, Reason.INVALID_JSON, "")])
    assert noted.reasons == {2: "invalid_json", 1: "too_deep"}
