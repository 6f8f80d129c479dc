"""Hostile records: each has an outcome, the expected one."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.json_object import MAX_BYTES
from processor.s3_objects import ACCEPTED
from reliability.hostile.corpus import HOSTILE, VALID
from reliability.hostile.judging import Judged, judge_event, problems_of
from tests.support.decoding import LAST_ARRIVAL_MS
from tests.support.events import ARRIVAL_MS, kinesis_event, kinesis_record


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_record_has_the_expected_outcome(data: bytes, reason: str | None) -> None:
    judged = Judged()
    judge_event(kinesis_event(kinesis_record(data)), judged)
    assert judged.problems == []
    assert judged.outcomes == {reason or ACCEPTED: 1}


def test_an_update_that_is_not_in_base64_is_no_update() -> None:
    event = kinesis_event(kinesis_record(b""))
    event["Records"][0]["kinesis"]["data"] = '{"product_id":"p","price":1}'
    judged = Judged()
    judge_event(event, judged)
    assert judged.problems == []
    assert judged.outcomes == {"invalid_base64": 1}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**10, "2026-01-31T08:30:00Z", "1e5", "19.99", 1, 1.5, "\ud800", " "]),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)
EVENTS = st.fixed_dictionaries(
    {"product_id": NESTED | st.just("p"), "price": NESTED | st.just("19.99")},
    optional=dict.fromkeys(
        ("inventory", "discontinued", "event_time", "supplier", "schema_version", "x"), NESTED
    ),
).map(lambda fields: json.dumps(fields).encode())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw valid JSON of which some parts are overwritten, cut out or repeated."""
    data = bytearray(draw(EVENTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data[start:end] = draw(
            st.binary(max_size=3)
            | st.sampled_from(
                [b'"', b"\\", b"{", b"[", b"]", b"}", b",", b"1e99999", bytes(data[start:end]) * 2]
            )
        )
    return bytes(data)


BEGINNINGS = [
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"x\x9c",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0",
    b"{\0",
    b"eyJw",
    b'"eyJw',
    b"a,b",
    b"{}\n{",
    b'{"metadata":',
    b'{"payload":{"op":1,"after":',
]
REPEATED = st.builds(
    lambda start, unit, times, end: (start + unit * times + end)[:MAX_BYTES],
    st.sampled_from([b"", VALID, b'{"product_id":"', b'{"product_id":"p","price":', b"[", *BEGINNINGS]),
    st.binary(min_size=1, max_size=4) | st.sampled_from([b'\\"', b"[", b'{"a":', b"[],", b"9", b"1,", b"0."]),
    st.integers(0, 3000),
    st.sampled_from([b"", b"]}", b'"}', b"}"]),
)


@settings(max_examples=300)
@given(
    data=st.binary(max_size=300) | EVENTS | mutated() | REPEATED,
    arrival_ms=st.sampled_from([0, ARRIVAL_MS, LAST_ARRIVAL_MS]),
)
@example(data=b'{"product_id":"p","price":1E+999999}', arrival_ms=ARRIVAL_MS)
def test_every_record_has_the_outcome_of_a_plain_reading(data: bytes, arrival_ms: int) -> None:
    event = kinesis_event(kinesis_record(data, arrival_seconds=arrival_ms / 1000))
    assert problems_of(event) == []
