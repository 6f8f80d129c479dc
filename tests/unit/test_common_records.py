"""The fast way to decode a record gives what the careful one gives, or leaves the record to it."""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.demo.feed import WEEK, read_feed
from processor.common_records import decode_common
from processor.errors import EventError
from processor.json_values import NumberText
from processor.product import REGISTERS
from processor.records import Record, read_event
from processor.registers import InvalidValueError
from processor.updates import Update, decode
from reliability.hostile.corpus import STRANGE_VALUES, TRICKY
from reliability.hostile.judging import problems_of
from tests.support.events import ARRIVAL_MS, kinesis_event, kinesis_record


def record_of(data: bytes) -> Record:
    return Record("shardId-000000000000", "49590338271490256608", 0, "p1", ARRIVAL_MS, data)


def assert_same(data: bytes) -> Update | None:
    """Compare both ways to decode the bytes; return the update that the fast one found, if any."""
    fast = decode_common(record_of(data))
    if fast is not None:
        careful = decode(record_of(data))
        assert fast == careful
        assert [type(value) for value in fast.values.values()] == [
            type(value) for value in careful.values.values()
        ]
    return fast


def assert_right(data: bytes) -> None:
    """Compare both ways with a plain reading, too."""
    assert problems_of(kinesis_event(kinesis_record(data))) == []


@pytest.mark.parametrize("data", TRICKY, ids=lambda data: data[:40].decode("utf-8", "backslashreplace"))
@pytest.mark.parametrize(
    "before", [b"", b'"product_id":"p1","inventory":1,'], ids=["as it is", "in an update"]
)
def test_both_ways_agree_on_what_is_tricky(data: bytes, before: bytes) -> None:
    assert_right(data.replace(b"{", b"{" + before, 1))


def test_both_ways_agree_on_the_whole_feed() -> None:
    for record in read_feed():
        assert_same(record.data)


def test_the_fast_way_decodes_what_suppliers_send() -> None:
    with gzip.open(WEEK) as lines:
        assert all(assert_same(line) is not None for line in lines)


SPACE = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])
STRING = st.text(st.sampled_from('ab:{}[]," é\u2028\U0001f600'), max_size=4).map(
    lambda text: text.replace('"', "")
)
ESCAPED = st.sampled_from([r"\"", r"\\", r"\u0061", r"\ud83d\ude00", r"\ud800", r"\n", r"\x", "\x01"])
NUMBER = st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,3})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
KEY = st.sampled_from(["product_id", "inventory", "price", "a", "", ":"]) | STRING


@st.composite
def texts(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON objects, most of them valid; some have a key twice, an escape or a character that breaks them."""
    members = []
    for _ in range(draw(st.integers(0, 4))):
        value = draw(
            NUMBER
            | STRING.map(lambda text: f'"{text}"')
            | ESCAPED.map(lambda text: f'"{text}"')
            | st.sampled_from(["true", "null", "NaN", "[]", '[{"a":1}]'])
            | (texts(depth - 1) if depth else st.just("{}"))
        )
        spaces = [draw(SPACE) for _ in range(3)]
        members.append(f'{spaces[0]}"{draw(KEY)}"{spaces[1]}:{spaces[2]}{value}')
    if draw(st.booleans()):
        members.append('"product_id":"p2"')
    return "{" + ",".join(members) + "}"


@settings(max_examples=300)
@given(texts(), st.integers(0, 200), st.sampled_from(["", "", "", '"', ":", "}", "{", ",", "\\", "0"]))
def test_both_ways_agree_on_any_text(text: str, position: int, inserted: str) -> None:
    assert_right(f"{text[:position]}{inserted}{text[position:]}".encode())


ARRIVAL = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ARRIVAL_MS)
NEAR_ARRIVAL = st.integers(-400, 400).map(lambda s: (ARRIVAL + timedelta(seconds=s)).isoformat()[:19])
ANY_SECOND = st.from_regex(
    r"(19[67]9|1970|2[0-9]{3})-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True
)
FRACTION = st.from_regex(r"(\.[0-9]{0,11})?", fullmatch=True)
OFFSET = st.sampled_from(["Z", "Z", "Z", "z", "+00:00", "-05:30", "", " Z", "\nZ", "Z\n"])


@settings(max_examples=300)
@given(NEAR_ARRIVAL | ANY_SECOND, FRACTION, OFFSET)
@example("2026-02-30T00:00:00", "", "Z")
@example("1969-12-31T23:59:59", ".999999", "Z")
@example("1970-01-01T00:00:00", ".", "Z")
@example("2016-12-31T23:59:60", "", "Z")
@example("٢٠٢٦-01-01T00:00:00", "", "Z")
def test_both_ways_to_read_an_event_time_agree(second: str, fraction: str, offset: str) -> None:
    assert_right(f'{{"product_id":"p1","inventory":1,"event_time":"{second}{fraction}{offset}"}}'.encode())


IDENTIFIER = st.text(st.sampled_from("aé \u0301\u00ad\u200b\u3000\t~"), max_size=3) | st.sampled_from(
    ["x" * length for length in (64, 65, 255, 256)]
)
ANYTHING = IDENTIFIER | st.none() | st.booleans() | st.integers(-2, 2) | st.lists(st.none(), max_size=1)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"product_id": st.just("p1") | ANYTHING},
        optional={
            "supplier": ANYTHING,
            "schema_version": ANYTHING,
            "event_time": ANYTHING,
            "inventory": st.integers(-1, 1) | st.integers(2**31 - 1, 2**31) | ANYTHING,
            "price": st.decimals(-1, 10**8, places=2).map(str) | st.integers(-1, 10**8) | ANYTHING,
            "discontinued": ANYTHING,
        },
    )
)
def test_both_ways_agree_on_any_fields(fields: dict[str, Any]) -> None:
    assert_right(json.dumps(fields, ensure_ascii=False).encode())


@settings(max_examples=150)
@given(st.from_regex(r"(0|[1-9][0-9]{0,9})\.[0-9]{1,3}", fullmatch=True))
def test_both_ways_to_read_an_amount_agree(amount: str) -> None:
    read = REGISTERS["price"].read

    def cents(text: str) -> object:
        try:
            return read(NumberText(text))
        except InvalidValueError as error:
            return re.sub(r": .*|^is [0-9.e]*;", "", str(error))

    # An exponent, even of 0, is for the careful way.
    assert cents(amount) == cents(f"{amount}e0")


MEMBERS = [
    ("kinesis", "sequenceNumber"),
    ("kinesis", "partitionKey"),
    ("kinesis", "approximateArrivalTimestamp"),
    ("kinesis", "data"),
    ("kinesis",),
    ("eventSource",),
    ("eventID",),
]


def outcome(event: object) -> list[Record] | str:
    try:
        return read_event(event)
    except EventError as error:
        return str(error)


@pytest.mark.parametrize("path", MEMBERS, ids=".".join)
@pytest.mark.parametrize("value", STRANGE_VALUES, ids=lambda value: repr(value)[:20])
def test_records_are_read_alike_together_and_one_by_one(path: tuple[str, ...], value: object) -> None:
    strange = kinesis_record(b"{}", 1)
    holder = strange["kinesis"] if len(path) > 1 else strange
    holder[path[-1]] = value
    records = [kinesis_record(b"{}", 0), strange, kinesis_record(b"{}", 2)]
    # Data that is not base64 is unusual, so these are read one by one.
    unusual = kinesis_record(b"{}", 3)
    unusual["kinesis"]["data"] = "!"
    together, one_by_one = outcome({"Records": records}), outcome({"Records": [*records, unusual]})
    assert together == (one_by_one if isinstance(one_by_one, str) else one_by_one[:-1])


def test_a_boolean_between_two_arrivals_is_found() -> None:
    records = [kinesis_record(b"{}", position, arrival_seconds=position) for position in range(3)]
    records[1]["kinesis"]["approximateArrivalTimestamp"] = True
    assert "approximateArrivalTimestamp is true" in outcome({"Records": records})
