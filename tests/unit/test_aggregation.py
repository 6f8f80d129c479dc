"""The Kinesis Producer Library's aggregates: packed by AWS's own aggregator; broken ones are made by hand."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.aggregation import MAGIC
from processor.reasons import Reason
from processor.records import Defect, Record, expand
from processor.s3_objects import archive_line
from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, SHARD, aggregate, record, sequence

USER_RECORDS = [("a", b'{"product_id":"p","price":1}'), ("b", b""), ("a", b"\xff\x00"), ("é", b"4")]
VARINT_BEYOND = b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"  # 2 ** 63


def packed(body: bytes) -> bytes:
    """Return a valid envelope around any body."""
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def identities(records: list[Record]) -> list[tuple[int, str | None, bytes]]:
    return [(one.sub_sequence, one.partition_key, one.data) for one in records]


@pytest.mark.parametrize("explicit_hash_key", [None, "340282366920938463463374607431768211455"])
def test_aggregated_records_are_unpacked_in_order(explicit_hash_key: str | None) -> None:
    received = record(aggregate(USER_RECORDS, explicit_hash_key), 3, partition_key="outer")
    unpacked = list(expand(received))
    assert identities(unpacked) == [(place, key, data) for place, (key, data) in enumerate(USER_RECORDS)]
    for one in unpacked:
        assert (one.shard, one.sequence_number, one.arrival_ms) == (SHARD, sequence(3), ARRIVAL_MS)
        assert one.defect is None


@given(st.lists(st.tuples(st.text(min_size=1, max_size=10), st.binary(max_size=30)), min_size=1, max_size=20))
def test_whatever_was_aggregated_is_unpacked(user_records: list[tuple[str, bytes]]) -> None:
    unpacked = list(expand(record(aggregate(user_records))))
    assert identities(unpacked) == [(place, *one) for place, one in enumerate(user_records)]


def test_one_partition_key_holds_many_records() -> None:
    data = [b"%d" % number for number in range(3000)]
    unpacked = list(expand(record(aggregate(("key", one) for one in data))))
    assert identities(unpacked) == [(place, "key", one) for place, one in enumerate(data)]


def test_as_many_of_the_smallest_updates_as_fit_into_one_mebibyte_are_unpacked() -> None:
    """Check also that one more is rejected: a record cannot hold as many valid ones."""
    smallest = b'{"product_id":"p","price":0}'
    assert isinstance(decode(record(smallest)), Update)
    largest = aggregate((b"k", smallest) for _ in range(30_839))
    assert len(largest) <= 1024 * 1024 < len(largest) + len(smallest)
    unpacked = list(expand(record(largest)))
    assert identities(unpacked) == [(place, "k", smallest) for place in range(30_839)]


def test_an_aggregate_inside_an_aggregate_is_one_record_and_no_json() -> None:
    inner = aggregate([("k", b'{"product_id":"p","price":1}')])
    [nested, sound] = expand(record(aggregate([("a", inner), ("b", b'{"product_id":"q","price":1}')])))
    assert (nested.sub_sequence, nested.data) == (0, inner)
    outcome = decode(nested)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "invalid_utf8"
    assert not isinstance(decode(sound), Rejection)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        MAGIC[:3],
        b" " + aggregate(USER_RECORDS),
        MAGIC[:3] + b"\xc3" + aggregate(USER_RECORDS)[4:],
    ],
)
def test_a_record_without_the_magic_is_left_alone(data: bytes) -> None:
    assert list(expand(record(data))) == [record(data)]


SOUND = aggregate(USER_RECORDS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (MAGIC, "it ends before its MD5"),
        (MAGIC + b"0" * 15, "it ends before its MD5"),
        (MAGIC + bytes(16), "its MD5 does not match its content"),
        (SOUND[:-1], "its MD5 does not match its content"),
        (SOUND[:-1] + bytes([SOUND[-1] ^ 1]), "its MD5 does not match its content"),
        (SOUND[:10] + bytes([SOUND[10] ^ 1]) + SOUND[11:], "its MD5 does not match its content"),
        (SOUND + b"\n", "its MD5 does not match its content"),
        (packed(b""), "it holds no record"),
        (packed(b"\x0a\x01k"), "it holds no record"),
        (packed(b"\x0a\x01k\x1a\x04\x08\x01\x1a\x00"), "a record points outside the partition key table"),
        (packed(b"\x1a\x04\x08\x00\x1a\x00"), "a record points outside the partition key table"),
        (
            packed(b"\x0a\x01k\x1a\x0d\x08" + VARINT_BEYOND + b"\x1a\x00"),
            "a record points outside the partition key table",
        ),
        (packed(b"\x0a\x01k\x1a\x02\x1a\x00"), "its content is not an aggregated record: "),  # no index
        (packed(b"\x0a\x01k\x1a\x02\x08\x00"), "its content is not an aggregated record: "),  # no data
        (packed(b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00"), "its content is not an aggregated record: "),
        (
            packed(b"\x0a\x82\x02" + b"k" * 258 + b"\x1a\x04\x08\x00\x1a\x00"),
            "a partition key has more than 256 characters",
        ),
        (
            packed(b"\x0a\x01k" + b"\x1a\x04\x08\x00\x1a\x00" * 30_840),
            "it holds 30840 records; at most 30839 are accepted",
        ),
        (packed(b"\x0a\x7f"), "its content is not an aggregated record: "),
        (packed(b"\xff" * 50), "its content is not an aggregated record: "),
        (packed(SOUND[4:-17]), "its content is not an aggregated record: "),
    ],
)
def test_a_broken_aggregate_is_one_rejected_record_with_all_its_bytes(data: bytes, message: str) -> None:
    received = record(data, 5)
    [broken] = expand(received)
    assert broken._replace(defect=None) == received
    assert broken.defect is not None
    assert broken.defect.reason == "bad_aggregate"
    assert broken.defect.message.startswith(f"aggregated record: {message}")
    assert decode(broken) == Rejection(broken, *broken.defect)


def message(keys: Sequence[bytes], records: Sequence[tuple[int, bytes]]) -> bytes:
    """Return an AggregatedRecord as protocol buffer; sizes and indexes are below 128."""
    table = b"".join(b"\x0a%c%b" % (len(key), key) for key in keys)
    inner = [b"\x08%c\x1a%c%b" % (index, len(data), data) for index, data in records]
    return table + b"".join(b"\x1a%c%b" % (len(one), one) for one in inner)


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | st.builds(
        message,
        st.lists(st.text(max_size=5).map(str.encode) | st.binary(max_size=5), max_size=4),
        st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=20)), max_size=5),
    )
)
def test_any_body_is_unpacked_or_rejected(body: bytes) -> None:
    received = record(packed(body))
    expanded = list(expand(received))
    assert expanded
    for one in expanded:
        assert type(one.partition_key) is str
        assert type(one.data) is bytes
        archive_line(one, "any_reason")
    if expanded[0].defect is not None:
        assert expanded == [
            received._replace(defect=Defect(Reason.BAD_AGGREGATE, expanded[0].defect.message))
        ]
