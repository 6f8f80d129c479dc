"""From Lambda's event to Kinesis records: the envelope, base64."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import EventError
from processor.records import Record, expand, read_event
from processor.updates import Rejection, decode
from tests.support.decoding import LAST_ARRIVAL_MS
from tests.support.events import SHARD, kinesis_event, kinesis_record, record, sequence

# https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
DOCUMENTED = json.loads("""
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
    ("seconds", "milliseconds"),
    [
        (1545084650.987, 1545084650987),
        (1545084650, 1545084650000),
        (0.0015, 2),
        (0, 0),
        (253402300799.999, LAST_ARRIVAL_MS),
    ],
)
def test_arrival_is_rounded_to_milliseconds(seconds: float, milliseconds: int) -> None:
    [read] = read_event(kinesis_event(kinesis_record(b"", arrival_seconds=seconds)))
    assert read.arrival_ms == milliseconds


# --- other events

SQS = {
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
S3 = {
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
S3_TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "bucketname",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}
DYNAMODB = {
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
API_GATEWAY = {
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
        ({"Records": None}, 'the event has no list "Records": "Records" is null;'),
        ({"Records": {}}, 'the event has no list "Records": "Records" is an object;'),
        ({"Records": "x"}, 'the event has no list "Records": "Records" is "x";'),
        (S3_TEST, "an object with ['Bucket', 'Event', 'HostId', 'RequestId', 'Service', 'Time']"),
        (API_GATEWAY, "['body', 'httpMethod', 'path', 'requestContext', 'resource']"),
        (SQS, 'record 1 of the event: eventSource is "aws:sqs"; "aws:kinesis" is accepted'),
        (S3, 'record 1 of the event: eventSource is "aws:s3"; "aws:kinesis" is accepted'),
        (DYNAMODB, 'record 1 of the event: eventSource is "aws:dynamodb"; "aws:kinesis" is accepted'),
        ({"Records": [None]}, "record 1 of the event is not a Kinesis record"),
        ({"Records": ["text"]}, "record 1 of the event is not a Kinesis record"),
        ({"Records": [{}]}, "record 1 "),
    ],
)
def test_another_event_is_refused(event: object, message: str) -> None:
    with pytest.raises(EventError) as refusal:
        read_event(event)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


ABSENT = object()
NUMBER = "a number of seconds since 1970, to the end of 9999, is accepted"
DIGITS = "a string of 1 to 129 digits is accepted"
EVENT_ID = '"<shard>:<sequence number>" is accepted'


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("eventSource", ABSENT, "it has no eventSource"),
        ("eventSource", 7, 'record 2 of the event: eventSource is 7; "aws:kinesis" is accepted'),
        ("eventID", ABSENT, "it has no eventID"),
        ("eventID", None, f"eventID is null; {EVENT_ID}"),
        ("eventID", 7, f"eventID is 7; {EVENT_ID}"),
        ("eventID", "no-colon", f'eventID is "no-colon"; {EVENT_ID}'),
        ("eventID", ":4959", f'eventID is ":4959"; {EVENT_ID}'),
        ("eventID", "shard id:1", f'eventID is "shard id:1"; {EVENT_ID}'),
        ("eventID", "shardId-\n:1", f'eventID is "shardId-\\n:1"; {EVENT_ID}'),
        ("eventID", "s" * 129 + ":1", f'eventID is "{"s" * 59}… (133 characters); {EVENT_ID}'),
        ("kinesis", ABSENT, "it has no kinesis"),
        ("kinesis", None, "kinesis is null; an object is accepted"),
        ("kinesis", [], "kinesis is an array; an object is accepted"),
        ("kinesis", "text", 'kinesis is "text"; an object is accepted'),
        ("kinesis.sequenceNumber", ABSENT, "it has no kinesis.sequenceNumber"),
        ("kinesis.sequenceNumber", None, f"kinesis.sequenceNumber is null; {DIGITS}"),
        ("kinesis.sequenceNumber", 4959, f"kinesis.sequenceNumber is 4959; {DIGITS}"),
        ("kinesis.sequenceNumber", "", f'kinesis.sequenceNumber is ""; {DIGITS}'),
        ("kinesis.sequenceNumber", "-1", f'kinesis.sequenceNumber is "-1"; {DIGITS}'),
        ("kinesis.sequenceNumber", "01", f'kinesis.sequenceNumber is "01"; {DIGITS}'),
        ("kinesis.sequenceNumber", "1\n", f'kinesis.sequenceNumber is "1\\n"; {DIGITS}'),
        ("kinesis.sequenceNumber", "١", f'kinesis.sequenceNumber is "\\u0661"; {DIGITS}'),
        ("kinesis.partitionKey", 1, "kinesis.partitionKey is 1; a string or null is accepted"),
        ("kinesis.data", ABSENT, "it has no kinesis.data"),
        ("kinesis.data", None, "kinesis.data is null; a string of base64 is accepted"),
        ("kinesis.data", 1, "kinesis.data is 1; a string of base64 is accepted"),
        ("kinesis.data", ["e30="], "kinesis.data is an array; a string of base64 is accepted"),
    ],
)
def test_a_record_that_kinesis_does_not_send_is_refused(field: str, value: object, message: str) -> None:
    check_refused(field, value, message)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-01-31", '"2026-01-31"'),
        ("1545084650.987", '"1545084650.987"'),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ([], "an array"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (-1.0, "-1.0"),
        (-1, "-1"),
        (253_402_300_800, "253402300800"),
        (1545084650987, "1545084650987"),  # milliseconds
        (1e308, "1e+308"),
    ],
)
def test_an_invalid_arrival_is_refused(value: object, shown: str) -> None:
    field = "kinesis.approximateArrivalTimestamp"
    check_refused(field, value, f"{field} is {shown}; {NUMBER}")


def test_a_record_without_an_arrival_is_refused() -> None:
    check_refused(
        "kinesis.approximateArrivalTimestamp", ABSENT, "it has no kinesis.approximateArrivalTimestamp"
    )


@pytest.mark.parametrize(
    "field",
    [
        "eventSource",
        "eventID",
        "kinesis",
        "kinesis.sequenceNumber",
        "kinesis.approximateArrivalTimestamp",
    ],
)
def test_a_huge_value_is_shortened(field: str) -> None:
    for value, shown in (
        ("5" * 5_000_000, f'"{"5" * 59}… (5000002 characters)'),
        (10**400, f"1{'0' * 59}… (401 characters)"),
        (10**4300, "an integer of over 4300 digits"),
        (["5" * 5_000_000], "an array"),
        ({"5" * 5_000_000: 1}, "" if field == "kinesis" else "an object"),
    ):
        check_refused(field, value, shown)


def test_a_huge_name_is_shortened() -> None:
    with pytest.raises(EventError) as refusal:
        read_event({"5" * 5_000_000: 1})
    assert len(str(refusal.value)) < 200


def check_refused(field: str, value: object, message: str) -> None:
    """Check that an event whose second record has this value is refused, with a short message."""
    event = kinesis_event(kinesis_record(b"{}"), kinesis_record(b"{}", 1))
    *parents, name = field.split(".")
    parent: Any = event["Records"][1]
    for outer in parents:
        parent = parent[outer]
    if value is ABSENT:
        del parent[name]
    else:
        parent[name] = value
    with pytest.raises(EventError, match=r"^record 2 ") as refusal:
        read_event(event)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) <= 250


# --- partition keys


@pytest.mark.parametrize("partition_key", [None, ABSENT])
def test_a_record_without_a_partition_key_is_read(partition_key: object) -> None:
    """Source: https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-integrations-lambda.html."""
    event = kinesis_event(kinesis_record(b"{}", partition_key=None), kinesis_record(b"{}", 1))
    if partition_key is ABSENT:
        del event["Records"][0]["kinesis"]["partitionKey"]
    assert read_event(event) == [record(b"{}", partition_key=None), record(b"{}", 1)]


def test_an_empty_partition_key_is_kept() -> None:
    """Check this although Kinesis does not accept one."""
    [read] = read_event(kinesis_event(kinesis_record(b"{}", partition_key="")))
    assert read.partition_key == ""


# --- base64


@pytest.mark.parametrize(
    "encoded",
    ["e30", "e30=\n", " e30=", "e3 0=", "e30=e30=", "e30==", "e3-_", "e", "=", "é30=", "\ud800", "e30=!"],
)
def test_data_that_is_not_base64_is_kept_as_received_and_rejected(encoded: str) -> None:
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
