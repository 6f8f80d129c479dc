"""Hostile records: each has an outcome, the expected one."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.json_object import MAX_BYTES
from processor.reasons import Reason
from processor.records import Record
from processor.updates import Rejection, Update, decode
from tests.support.decoding import LAST_ARRIVAL_MS, accept, reject
from tests.support.events import ARRIVAL_MS, record


def filled(start: bytes, unit: bytes, end: bytes = b"") -> bytes:
    """Repeat the unit between start and end as often as fits into a record."""
    return start + unit * ((MAX_BYTES - len(start) - len(end)) // len(unit)) + end


VALID = b'{"product_id":"p","price":1,"a":['
HOSTILE: dict[str, tuple[bytes, str | None]] = {
    "unterminated string of escaped quotes": (filled(b'{"product_id":"', b'\\"'), "invalid_json"),
    "the same after many brackets": (filled(b'{"a":[[],[],[],[],[],[],[],[],"', b'\\"'), "invalid_json"),
    "escaped quotes and brackets": (filled(b'{"product_id":"', b'\\"['), "invalid_json"),
    "quotes": (filled(b"[[[[[[[[", b'"'), "invalid_json"),
    "backslashes in a string": (filled(b'{},[],[],[],[],[],[],[],[],"', b"\\"), "invalid_json"),
    "escaped quotes outside": (filled(b"", b'\\"['), "invalid_json"),
    "30,000 brackets": (b"[" * 30_000, "too_deep"),
    "closing before opening": (b"]" * 32_768 + b"[" * 32_768, "invalid_json"),
    "closing": (b"]" * MAX_BYTES, "invalid_json"),
    "pairs of brackets": (filled(VALID, b"[],", b"[]]}"), None),
    "objects": (filled(VALID, b"{},", b"{}]}"), None),
    "objects before an endless integer": (filled(VALID, b"{},", b"9" * 4400 + b"]}"), None),
    "objects with a member": (filled(VALID, b'{"":1},', b"{}]}"), None),
    "the last object with a key twice": (filled(VALID, b'{"":1},', b'{"":1,"":1}]}'), "duplicate_key"),
    "nested as deep as may be": (filled(VALID, b"[[[[[[]]]]]],", b"[]]}"), None),
    "20,000 equal keys": (filled(b'{"product_id":"p"', b',"":1', b"}"), "duplicate_key"),
    "keys": (b"{" + b"".join(b'"%x":1,' % number for number in range(7000)) + b'"a":1}', "duplicate_key"),
    "the longest integers Python reads": (VALID + b",".join([b"9" * 4300] * 15) + b"]}", None),
    "integers": (filled(VALID, b"1,", b"1]}"), None),
    "integers before an endless one": (filled(VALID, b"1,", b"9" * 4400 + b"]}"), None),
    "numbers": (filled(VALID, b"1.5,", b"1]}"), None),
    "an endless number": (b'{"product_id":"p","price":' + b"9" * 65_000 + b"}", "invalid_price"),
    "an endless fraction": (b'{"product_id":"p","price":0.' + b"3" * 65_000 + b"}", "invalid_price"),
    "an endless exponent": (b'{"product_id":"p","price":1e' + b"9" * 65_000 + b"}", "invalid_price"),
    "an exponent of zeros": (b'{"product_id":"p","price":1e' + b"0" * 65_000 + b"2}", None),
    "a tiny number made large": (
        b'{"product_id":"p","price":0.' + b"0" * 60_000 + b"1e60001}",
        None,
    ),
    "endless zeros": (b'{"product_id":"p","price":0.' + b"0" * 65_000 + b"}", None),
    "endless zeros in the middle": (
        b'{"product_id":"p","price":1.' + b"0" * 65_000 + b"1}",
        "invalid_price",
    ),
    "an inventory of endless zeros": (b'{"product_id":"p","inventory":1' + b"0" * 65_000 + b"e-65000}", None),
    "an inventory without end": (b'{"product_id":"p","inventory":1E+999999}', "invalid_inventory"),
    "a time without end": (
        b'{"product_id":"p","price":1,"event_time":"2026-01-31T08:30:00.' + b"1" * 65_000 + b'Z"}',
        "invalid_event_time",
    ),
    "constants": (filled(b"[", b"NaN,", b"1]"), "invalid_json"),
    "escaped control characters": (filled(b'{"product_id":"', b"\\u0000", b'"}'), "invalid_product_id"),
    "escaped surrogates": (filled(b'{"product_id":"', b"\\ud800", b'"}'), "invalid_product_id"),
    "a long key twice": (
        b'{"' + b"\\u0061" * 9_000 + b'":1,"' + b"a" * 9_000 + b'":2}',
        "duplicate_key",
    ),
    "zeros": (bytes(MAX_BYTES), "invalid_json"),
    "ones": (b"\xff" * MAX_BYTES, "invalid_utf8"),
    "spaces": (b" " * MAX_BYTES, "invalid_json"),
    "line breaks": (b"\n" * MAX_BYTES, "invalid_json"),
    "empty strings": (filled(VALID, b'"",', b'"[[[[[[[[["]}'), None),
}


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_record_has_the_expected_outcome(data: bytes, reason: str | None) -> None:
    if reason is None:
        accept(data)
    else:
        reject(data, reason)


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


def whole(update: Update, register: str) -> int:
    """Return a register's value, which must be an integer if there is one."""
    value = update.values.get(register, 0)
    assert type(value) is int
    return value


@settings(max_examples=300)
@given(
    data=st.binary(max_size=300) | EVENTS | mutated() | REPEATED,
    arrival_ms=st.sampled_from([0, ARRIVAL_MS, LAST_ARRIVAL_MS]),
)
@example(data=b'{"product_id":"p","price":1E+999999}', arrival_ms=ARRIVAL_MS)
def test_every_record_has_one_outcome(data: bytes, arrival_ms: int) -> None:
    received = record(data, arrival_ms=arrival_ms)
    outcome = decode(received)
    assert isinstance(outcome, Update | Rejection)
    copy = Record(*received)._replace(data=bytes(bytearray(data)))
    assert decode(copy) == outcome
    if isinstance(outcome, Update):
        assert type(outcome.product_id) is str
        assert 1 <= len(outcome.product_id) <= 255
        outcome.product_id.encode()
        assert outcome.values
        assert 0 <= whole(outcome, "inventory") < 2**31
        assert 0 <= whole(outcome, "price") < 10**10
        assert type(outcome.values.get("discontinued", False)) is bool
        assert outcome.version.isascii()
    else:
        assert outcome.reason in Reason
        assert outcome.message.replace("…", "").isascii()
        assert outcome.message.isprintable()
        assert len(outcome.message) <= 250
