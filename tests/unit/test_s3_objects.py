"""The objects in archive and quarantine: exact bytes, one line per record, deterministic keys."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.reasons import of_register
from processor.records import Record
from processor.s3_objects import (
    ARCHIVE_PREFIX,
    QUARANTINE_PREFIX,
    archive_line,
    archived_data,
    by_shard,
    object_key,
    quarantine_line,
)
from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, ARRIVAL_TIME, SHARD, record, sequence

HOSTILE_KEYS = [
    None,
    "",
    '"',
    '","data":"',
    ',"data":',
    '\\",\\"data\\":',
    ',"data_base64":"',
    "\\",
    "a\nb\r\nc",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\ud800",
    "é€😀",
    "\x00",
    "{}[]",
]


def members(line: bytes) -> dict[str, Any]:
    """Parse a line like a reader of the archive: one line, one JSON object, no duplicate member."""
    text = line.decode("utf-8")
    assert len(text.splitlines()) == 1
    pairs = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    fields = dict(pairs)
    assert len(fields) == len(pairs)
    return fields


def check_archive_line(received: Record, outcome: str = "accepted", *, in_place: bool | None = None) -> None:
    """Check that the line identifies the record and that its bytes can be cut out."""
    line = archive_line(received, outcome)
    fields = members(line)
    arrival = datetime.fromisoformat(fields.pop("arrival_time"))
    assert arrival.tzinfo is not None
    assert round(arrival.timestamp() * 1000) == received.arrival_ms
    data = {name: fields.pop(name) for name in ("data", "data_base64") if name in fields}
    assert fields == {
        "shard": received.shard,
        "sequence_number": received.sequence_number,
        "sub_sequence": received.sub_sequence,
        "partition_key": received.partition_key,
        "verdict": outcome,
    }
    assert len(data) == 1
    if in_place is not None:
        assert in_place == ("data" in data)
    if "data_base64" in data:
        assert base64.b64decode(data["data_base64"], validate=True) == received.data
    assert archived_data(line) == archived_data(line + b"\n") == received.data


def test_an_archive_line() -> None:
    received = record(b'{"product_id":"p", "price": 1.10}', 1, sub_sequence=2, partition_key='k"')
    identity = (
        f'"shard":"{SHARD}","sequence_number":"{sequence(1)}","sub_sequence":2,"partition_key":"k\\"",'
        f'"arrival_time":"{ARRIVAL_TIME}"'
    )
    assert archive_line(received, "accepted").decode() == (
        f'{{{identity},"verdict":"accepted","data":{{"product_id":"p", "price": 1.10}}}}'
    )
    assert archive_line(received, "invalid_price").decode() == (
        f'{{{identity},"verdict":"invalid_price","data_base64":"eyJwcm9kdWN0X2lkIjoicCIsICJwcmljZSI6IDEuMTB9"}}'
    )


@pytest.mark.parametrize("outcome", ["accepted", "invalid_price"])
@pytest.mark.parametrize("partition_key", HOSTILE_KEYS)
def test_hostile_partition_keys(partition_key: str | None, outcome: str) -> None:
    data = '{"product_id":"p","price":1,"data":",\\"data\\":","x":{"data":1,"data_base64":"x"}}'
    check_archive_line(record(data, partition_key=partition_key), outcome, in_place=outcome == "accepted")


@pytest.mark.parametrize(
    ("data", "in_place"),
    [
        ('{"product_id":"p","price":1}', True),
        ('\t {"product_id":\t"p", "price":1 }\t ', True),
        (r'{"product_id":"p","price":1,"x":"\n\r\u2028\u0085"}', True),
        ('{"product_id":"é😀","price":1}', True),
        ('{"product_id":"p","price":1,"x":"\x7f"}', True),
        ('{"product_id":"p","price":1,"x":"\\ud800"}', True),
        ('{"product_id":"p","price":1,"x":[1e999,-0.0]}', True),
        ('{"product_id":"p",\n"price":1}', False),
        ('{"product_id":"p",\r\n"price":1}', False),
        ('{"product_id":"p","price":1}\r', False),
        ('{"product_id":"p","price":1}\n', False),
        ('{"product_id":"p","price":1,"x":"\x85"}', False),
        ('{"product_id":"p\u2028q","price":1}', False),
        ('{"product_id":"p","price":1,"\u2029":2}', False),
        ('{"product_id":"p","price":1,"x":' + "9" * 4300 + "}", True),
        ('{"product_id":"p","price":1,"x":' + "9" * 4301 + "}", None),  # Python refuses to read it back
        ('{"product_id":"p","price":1,"x":-' + "9" * 60_000 + "}", None),
    ],
)
def test_accepted_data_is_in_place_unless_it_breaks_the_line(data: str, *, in_place: bool | None) -> None:
    assert isinstance(decode(record(data)), Update)
    check_archive_line(record(data), in_place=in_place)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=15) | st.text(
    'aé\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"\\', max_size=4
)
ACCEPTED = st.builds(
    lambda text, indent, ascii_, between: (
        json.dumps({"product_id": "p", "price": 1, "x": text}, indent=indent, ensure_ascii=ascii_) + between
    ),
    TEXTS,
    st.sampled_from([None, None, None, 0]),
    st.booleans(),
    st.sampled_from(["", "", "\t", " ", "\n", "\r"]),
)


@settings(max_examples=200)
@given(
    data=ACCEPTED.map(str.encode) | st.binary(max_size=80),
    partition_key=TEXTS | st.sampled_from(HOSTILE_KEYS),
    sub_sequence=st.integers(0, 10**6),
    arrival_ms=st.integers(0, 253_402_300_799_999),
)
@example(data=b"", partition_key="k", sub_sequence=0, arrival_ms=0)
@example(data=b"\n", partition_key="k", sub_sequence=0, arrival_ms=0)
def test_every_record_can_be_read_back_byte_for_byte(
    data: bytes, partition_key: str | None, sub_sequence: int, arrival_ms: int
) -> None:
    received = record(data, sub_sequence=sub_sequence, partition_key=partition_key, arrival_ms=arrival_ms)
    outcome = decode(received)
    if isinstance(outcome, Update):
        check_archive_line(received)
    else:
        check_archive_line(received, outcome.reason, in_place=False)


# --- quarantine


@settings(max_examples=100)
@given(
    data=st.binary(max_size=80),
    partition_key=TEXTS | st.sampled_from(HOSTILE_KEYS),
    supplier=st.none() | TEXTS | st.sampled_from(HOSTILE_KEYS),
    message=TEXTS,
)
def test_quarantine_lines(data: bytes, partition_key: str | None, supplier: str | None, message: str) -> None:
    received = record(data, 9, sub_sequence=1, partition_key=partition_key)
    assert members(quarantine_line(Rejection(received, of_register("price"), message, supplier))) == {
        "shard": SHARD,
        "sequence_number": sequence(9),
        "sub_sequence": 1,
        "partition_key": partition_key,
        "arrival_time": ARRIVAL_TIME,
        "supplier": supplier,
        "reason": "invalid_price",
        "message": message,
        "data_base64": base64.b64encode(data).decode(),
    }


def test_the_bytes_of_a_quarantine_line_are_cut_out_like_those_of_an_archive_line() -> None:
    rejection = decode(record(b'{"supplier":",\\"data\\":","product_id":7}', partition_key=',"data":'))
    assert isinstance(rejection, Rejection)
    assert archived_data(quarantine_line(rejection)) == rejection.record.data


# --- keys


def test_object_keys() -> None:
    records = [record(b"1", 1), record(b"2", 2), record(b"3", 3)]
    # sha256("content") begins with ed7002b439e9.
    assert object_key(ARCHIVE_PREFIX, records, b"content", ".ndjson.gz") == (
        f"inventory/dt=2026-01-31/{SHARD}/{sequence(1)}-{sequence(3)}-ed7002b439e9.ndjson.gz"
    )
    assert object_key(QUARANTINE_PREFIX, records[1:2], b"content", ".ndjson") == (
        f"quarantine/dt=2026-01-31/{SHARD}/{sequence(2)}-{sequence(2)}-ed7002b439e9.ndjson"
    )


def test_an_objects_day_is_the_day_its_first_record_arrived() -> None:
    midnight_ms = round(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)
    before, after = record(b"", arrival_ms=midnight_ms - 1), record(b"", 1, arrival_ms=midnight_ms)
    for records, day in (
        ([before, after], "2026-01-31"),
        ([after], "2026-02-01"),
        ([after, before], "2026-02-01"),
    ):
        assert object_key("", records, b"", "").startswith(f"dt={day}/")


def test_keys_depend_on_the_content_only() -> None:
    records = [record(b"1", 1), record(b"2", 2)]
    key = object_key("a/", records, b"content", ".x")
    assert object_key("a/", list(records), b"content", ".x") == key
    assert object_key("a/", records, b"content ", ".x") != key
    assert object_key("a/", records[:1], b"content", ".x") != key
    assert object_key("a/", [one._replace(shard="shardId-1") for one in records], b"content", ".x") != key


def test_records_are_grouped_by_shard_in_order() -> None:
    shards = ["b", "a", "b", "c", "a"]
    records = [record(b"", place, shard=shard) for place, shard in enumerate(shards)]
    assert list(by_shard(records)) == [[0, 2], [1, 4], [3]]
    assert list(by_shard([])) == []


def test_times_are_written_with_milliseconds() -> None:
    for arrival_ms, written in ((0, "1970-01-01T00:00:00.000Z"), (ARRIVAL_MS, ARRIVAL_TIME)):
        line = archive_line(record(b"", arrival_ms=arrival_ms), "invalid_json")
        assert members(line)["arrival_time"] == written
