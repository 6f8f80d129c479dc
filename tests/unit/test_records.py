"""From Lambda's event to user records: the envelope, base64, the Kinesis Producer Library's aggregation.

Aggregated records are made by AWS's own aggregator; broken ones by hand.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.aggregation import MAGIC
from processor.errors import EventError
from processor.objects import archive_line
from processor.records import Defect, Record, expand, read_event
from processor.updates import Rejection, decode
from tests.events import ARRIVAL_MS, SHARD, aggregate, kinesis_event, kinesis_record, record, sequence

# https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
DOCUMENTED: Final = json.loads("""
{
    "Records": [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                "approximateArrivalTimestamp": 1545084650.987
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
            "awsRegion": "us-east-2",
            "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
        },
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "49590338271490256608559692540925702759324208523137515618",
                "data": "VGhpcyBpcyBvbmx5IGEgdGVzdC4=",
                "approximateArrivalTimestamp": 1545084711.166
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:49590338271490256608559692540925702759324208523137515618",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
            "awsRegion": "us-east-2",
            "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
        }
    ]
}
""")


def test_the_documented_event() -> None:
    assert read_event(DOCUMENTED) == [
        Record(
            "shardId-000000000006",
            "49590338271490256608559692538361571095921575989136588898",
            0,
            "1",
            1545084650987,
            b"Hello, this is a test.",
        ),
        Record(
            "shardId-000000000006",
            "49590338271490256608559692540925702759324208523137515618",
            0,
            "1",
            1545084711166,
            b"This is only a test.",
        ),
    ]


def test_an_empty_batch_is_read() -> None:
    assert read_event({"Records": []}) == []


@given(st.lists(st.tuples(st.binary(max_size=50), st.text(max_size=20), st.integers(0, 10**13))))
def test_what_was_put_is_read(puts: list[tuple[bytes, str, int]]) -> None:
    event = kinesis_event(
        *(
            kinesis_record(data, position, partition_key=key, arrival_seconds=arrival_ms / 1000)
            for position, (data, key, arrival_ms) in enumerate(puts)
        )
    )
    assert read_event(event) == [
        Record(SHARD, sequence(position), 0, key, arrival_ms, data)
        for position, (data, key, arrival_ms) in enumerate(puts)
    ]


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(1545084650.987, 1545084650987), (1545084650, 1545084650000), (0.0015, 2)]
)
def test_arrival_is_rounded_to_milliseconds(seconds: float, milliseconds: int) -> None:
    [read] = read_event(kinesis_event(kinesis_record(b"", arrival_seconds=seconds)))
    assert read.arrival_ms == milliseconds


# --- events that are none of ours

SQS: Final = {
    "Records": [
        {
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "test",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
            "messageAttributes": {},
            "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2",
        }
    ]
}
S3: Final = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-2",
            "eventTime": "2019-09-03T19:37:27.192Z",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "lambda-artifacts"}, "object": {"key": "b21b84d653bb07b05b1e6b33"}},
        }
    ]
}
S3_TEST: Final = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "bucketname",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}
DYNAMODB: Final = {
    "Records": [
        {
            "eventID": "c4ca4238a0b923820dcc509a6f75849b",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "dynamodb": {"SequenceNumber": "111", "Keys": {"Id": {"N": "101"}}},
        }
    ]
}
API_GATEWAY: Final = {
    "resource": "/",
    "path": "/",
    "httpMethod": "GET",
    "requestContext": {"requestId": "c6af9ac6"},
    "body": None,
}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, 'the event has no list "Records": an object with []'),
        (None, 'the event has no list "Records": a NoneType'),
        ([], 'the event has no list "Records": a list'),
        ("Records", 'the event has no list "Records": a str'),
        ({"Records": None}, "the event has no list \"Records\": an object with ['Records']"),
        ({"Records": {}}, "the event has no list \"Records\": an object with ['Records']"),
        (S3_TEST, "an object with ['Bucket', 'Event', 'HostId', 'RequestId', 'Service', 'Time']"),
        (API_GATEWAY, "['body', 'httpMethod', 'path', 'requestContext', 'resource']"),
        (SQS, "record 0 comes from 'aws:sqs'; only \"aws:kinesis\" is accepted"),
        (S3, "record 0 comes from 'aws:s3'; only \"aws:kinesis\" is accepted"),
        (DYNAMODB, "record 0 comes from 'aws:dynamodb'; only \"aws:kinesis\" is accepted"),
        ({"Records": [None]}, "record 0 of the event is not a Kinesis record"),
        ({"Records": ["text"]}, "record 0 of the event is not a Kinesis record"),
        ({"Records": [{}]}, "record 0 "),
    ],
)
def test_another_event_is_refused(event: object, message: str) -> None:
    with pytest.raises(EventError) as refusal:
        read_event(event)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *(((name,), None) for name in ("eventSource", "eventID", "kinesis")),
        *(
            (("kinesis", name), None)
            for name in ("partitionKey", "sequenceNumber", "data", "approximateArrivalTimestamp")
        ),
        (("eventSource",), "aws:sqs"),
        (("eventID",), "no-colon"),
        (("eventID",), ":49590338271490256608559692538361571095921575989136588898"),
        (("eventID",), "shard id:1"),
        (("eventID",), "shardId-\n:1"),
        (("eventID",), "s" * 129 + ":1"),
        (("eventID",), 7),
        (("kinesis", "approximateArrivalTimestamp"), 1e18),
        (("kinesis", "approximateArrivalTimestamp"), -1.0),
        (("kinesis",), []),
        (("kinesis",), "text"),
        (("kinesis", "sequenceNumber"), 4959),
        (("kinesis", "sequenceNumber"), ""),
        (("kinesis", "sequenceNumber"), "-1"),
        (("kinesis", "sequenceNumber"), "01"),
        (("kinesis", "sequenceNumber"), "1\n"),
        (("kinesis", "sequenceNumber"), "١"),
        (("kinesis", "sequenceNumber"), "1" * 130),
        (("kinesis", "partitionKey"), 1),
        (("kinesis", "data"), 1),
        (("kinesis", "data"), ["e30="]),
        (("kinesis", "approximateArrivalTimestamp"), "2026-01-31"),
        (("kinesis", "approximateArrivalTimestamp"), float("nan")),
        (("kinesis", "approximateArrivalTimestamp"), float("inf")),
        (("kinesis", "approximateArrivalTimestamp"), []),
    ],
)
def test_a_record_that_kinesis_does_not_send_is_refused(where: Sequence[str], value: object) -> None:
    event = kinesis_event(kinesis_record(b"{}"), kinesis_record(b"{}", 1))
    parent: Any = event["Records"][1]
    for name in where[:-1]:
        parent = parent[name]
    if value is None:
        del parent[where[-1]]
    else:
        parent[where[-1]] = value
    with pytest.raises(EventError, match=r"^record 1[ :]"):
        read_event(event)


# --- base64


@pytest.mark.parametrize(
    "encoded",
    ["e30", "e30=\n", " e30=", "e3 0=", "e30=e30=", "e30==", "e3-_", "e", "=", "é30=", "\ud800", "e30=!"],
)
def test_data_that_is_no_base64_is_kept_as_it_came_and_rejected(encoded: str) -> None:
    event = kinesis_event(kinesis_record(b"{}"), kinesis_record(b"{}", 1))
    event["Records"][0]["kinesis"]["data"] = encoded
    broken, sound = read_event(event)
    assert broken.data == encoded.encode("utf-8", "surrogatepass")
    assert broken.defect is not None
    assert broken.defect.reason == "invalid_base64"
    assert broken.defect.message.startswith("the record's data is not base64: ")
    assert list(expand(broken)) == [broken]
    assert decode(broken) == Rejection(broken, *broken.defect)
    assert sound == record(b"{}", 1)


# --- aggregation

USER_RECORDS: Final = [("a", b'{"product_id":"p","price":1}'), ("b", b""), ("a", b"\xff\x00"), ("é", b"4")]
VARINT_BEYOND: Final = b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"  # 2 ** 63


def packed(body: bytes) -> bytes:
    """A sound envelope around any body."""
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def identities(records: list[Record]) -> list[tuple[int, str, bytes]]:
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


def test_an_aggregate_inside_an_aggregate_is_one_record_and_no_json() -> None:
    inner = aggregate([("k", b'{"product_id":"p","price":1}')])
    [nested, sound] = expand(record(aggregate([("a", inner), ("b", b'{"product_id":"q","price":1}')])))
    assert (nested.sub_sequence, nested.data) == (0, inner)
    verdict = decode(nested)
    assert isinstance(verdict, Rejection)
    assert verdict.reason == "invalid_utf8"
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


SOUND: Final = aggregate(USER_RECORDS)


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
            packed(b"\x0a\x01k" + b"\x1a\x04\x08\x00\x1a\x00" * 30_001),
            "it holds 30001 records; at most 30000",
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
    """An AggregatedRecord as protocol buffer; sizes and indexes below 128."""
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
        archive_line(one, accepted=False)
    if expanded[0].defect is not None:
        assert expanded == [received._replace(defect=Defect("bad_aggregate", expanded[0].defect.message))]
