"""Messages to suppliers whose record is not an update in JSON."""

import base64
import codecs
import gzip
import json
import struct
import sys
import zlib
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import diagnosis
from processor.json_object import MAX_BYTES
from processor.updates import decode
from tests.support.decoding import accept, reject
from tests.support.events import aggregate, record

TEXT = '{"product_id":"p","price":1}'
JSON = TEXT.encode()
COMPRESSED = "JSON that is not compressed is accepted"
TWICE = (
    "the record looks like base64 within base64; Kinesis's clients encode, so that JSON itself is accepted"
)
ZSTANDARD = bytes.fromhex("28b52ffd2000010000")


def in_one(*texts: str) -> bytes:
    return "".join(texts).encode()


BYTES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "invalid_json", "is empty; a JSON object is accepted"),
    "byte order mark": (
        codecs.BOM_UTF8 + JSON,
        "invalid_json",
        "begins with a byte order mark; JSON without one is accepted",
    ),
    "byte order mark and no text": (
        codecs.BOM_UTF8 + b"\xff",
        "invalid_utf8",
        "begins with a byte order mark; JSON without one is accepted",
    ),
    "gzip": (gzip.compress(JSON, mtime=0), "invalid_utf8", f"looks like gzip; {COMPRESSED}"),
    "gzip of much": (gzip.compress(bytes(10**6), mtime=0), "invalid_utf8", f"looks like gzip; {COMPRESSED}"),
    "zlib": (zlib.compress(JSON), "invalid_utf8", f"looks like zlib; {COMPRESSED}"),
    "zlib, fast": (zlib.compress(JSON, 1), "invalid_utf8", f"looks like zlib; {COMPRESSED}"),
    "zlib, best": (zlib.compress(JSON, 9), "invalid_utf8", f"looks like zlib; {COMPRESSED}"),
    "Zstandard": (ZSTANDARD, "invalid_utf8", f"looks like Zstandard; {COMPRESSED}"),
    "aggregate": (
        aggregate([("k", JSON)]),
        "invalid_utf8",
        "is an aggregated record within another; JSON is accepted there",
    ),
    "UTF-16 with a mark": (
        TEXT.encode("utf-16"),
        "invalid_utf8",
        "looks like UTF-16; JSON in UTF-8 is accepted",
    ),
    "UTF-16, big end first, with a mark": (
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        "invalid_utf8",
        "looks like UTF-16; JSON in UTF-8 is accepted",
    ),
    "UTF-16": (TEXT.encode("utf-16-le"), "invalid_json", "looks like UTF-16; JSON in UTF-8 is accepted"),
    "UTF-16, big end first": (
        TEXT.encode("utf-16-be"),
        "invalid_json",
        "looks like UTF-16; JSON in UTF-8 is accepted",
    ),
    "UTF-16 that is no UTF-8": (
        '{"é":"\u8080"}'.encode("utf-16-le"),
        "invalid_utf8",
        "looks like UTF-16; JSON in UTF-8 is accepted",
    ),
    "UTF-16 of CSV with a mark": (
        codecs.BOM_UTF16_LE + "product_id,price".encode("utf-16-le"),
        "invalid_utf8",
        "looks like UTF-16; JSON in UTF-8 is accepted",
    ),
    "UTF-32": (TEXT.encode("utf-32-le"), "invalid_json", "looks like UTF-32; JSON in UTF-8 is accepted"),
    "UTF-32 with a mark": (
        TEXT.encode("utf-32"),
        "invalid_utf8",
        "looks like UTF-32; JSON in UTF-8 is accepted",
    ),
    "leading NUL": (b"\0" + JSON, "invalid_json", "begins with a NUL byte; a JSON object is accepted"),
    "leading NULs": (
        bytes(4) + b"\x07" + JSON,
        "invalid_json",
        "begins with a NUL byte; a JSON object is accepted",
    ),
    "NULs": (bytes(9), "invalid_json", "begins with a NUL byte; a JSON object is accepted"),
    "NULs and no character": (
        b"\0\0\xd8\0",
        "invalid_utf8",
        "begins with a NUL byte; a JSON object is accepted",
    ),
    "a NUL": (bytes(1), "invalid_json", "begins with a NUL byte; a JSON object is accepted"),
    "NUL and no text": (
        b"\0\0\0\0\x07\xff",
        "invalid_utf8",
        "begins with a NUL byte; a JSON object is accepted",
    ),
    "white space": (b" \n ", "invalid_json", "holds white space alone; a JSON object is accepted"),
    "CSV": (b"product123,100,29.99", "invalid_json", "looks like CSV; a JSON object is accepted"),
    "CSV with names": (
        b"product_id,inventory\r\nproduct123,100\r\n",
        "invalid_json",
        "looks like CSV; a JSON object is accepted",
    ),
    "CSV with quotes": (b'"p","100"\n', "invalid_json", "looks like CSV; a JSON object is accepted"),
    "CSV with semicolons": (b"p;100;29,99", "invalid_json", "looks like CSV; a JSON object is accepted"),
    "CSV with tabs": (b"p q\t100", "invalid_json", "looks like CSV; a JSON object is accepted"),
    "CSV of numbers": (b"4711,100\n4712,7", "invalid_json", "looks like CSV; a JSON object is accepted"),
    "NDJSON": (
        in_one(TEXT, "\n", TEXT, "\n"),
        "invalid_json",
        "holds several objects, another one from line 2, column 1; one object per record is accepted",
    ),
    "NDJSON of many": (
        in_one(TEXT, "\n") * 100,
        "invalid_json",
        "holds several objects, another one from line 2, column 1; one object per record is accepted",
    ),
    "objects without a break": (
        in_one(TEXT, TEXT),
        "invalid_json",
        "holds several objects, another one from line 1, column 29; one object per record is accepted",
    ),
    "objects with commas": (
        in_one(TEXT, ", ", TEXT),
        "invalid_json",
        "holds several objects, another one from line 1, column 29; one object per record is accepted",
    ),
}


@pytest.mark.parametrize(("data", "reason", "looks"), BYTES.values(), ids=BYTES)
def test_what_the_bytes_look_like(data: bytes, reason: str, looks: str) -> None:
    reject(data, reason, f"the record {looks}")


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(JSON),
        base64.b64encode(JSON) + b"\n",
        base64.encodebytes(JSON * 9),
        base64.urlsafe_b64encode('{"a":">>>???ÿÿÿ"}'.encode()),
        base64.b64encode(JSON).rstrip(b"="),
        base64.b64encode(b'\n { "product_id": "p" }'),
        base64.b64encode(gzip.compress(JSON, mtime=0)),
    ],
)
def test_base64_within_base64(data: bytes) -> None:
    reject(data, "invalid_json", TWICE)
    if b"\n" not in data:
        reject(b'"%s"' % data, "not_an_object", TWICE)


def test_json_in_a_json_string() -> None:
    message = "the record is a JSON string with JSON in it; the object itself is accepted"
    reject(json.dumps(TEXT), "not_an_object", message)


@pytest.mark.parametrize(
    "data",
    [
        b"x^2",  # begins like zlib
        b"x\x9c",
        b"p\0\0\xff",  # nearly UTF-32
        b"Hello, this is a test.",
        b"product123",
        b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwIn0.c2ln",  # a token: base64 with dots
        b"HwAA",
        b"[]{}",
        b"a,",
        b"<a>1,2</a>",
        b"[1,2",
        b"\x1f\x8a",
        b"\xff\xfe",
        struct.pack("<4I", 1, 2, 3, 4),
        struct.pack("<8H", *range(1, 9)),
        struct.pack("<4I", *b"numb"),
        struct.pack("<H4I", 0xFEFF, 1, 2, 3, 4),
        zlib.compress(b"no JSON"),
        b"x^2+y^2=1",
        *[b"exit", b"exam", b"eyes", b"expected", b"H4sIcker", b"e30=", b"eyJ9", b"eyIiOg"],
        base64.b64encode(gzip.compress(b"no JSON", mtime=0)),
        *[b"hello,world", b"a|b", b"1,5", b"4711,100", b"Hello world. a|b 5"],
        *[b"a=1&b=2,c", b"a=1,2", b"f(x,2)", b"a:1, b,2"],
        b'"product_id":"p","inventory":3}',
        b'"product_id":"p","inventory":3',
        b"'product_id':'p',3",
    ],
)
def test_what_looks_like_nothing_known_gets_no_diagnosis(data: bytes) -> None:
    message = reject_any(data)
    assert message.startswith(("not JSON: ", "byte "))


@pytest.mark.parametrize("text", ["exit", "{name}, hello", "{}", "eyes", "a,1"])
def test_a_json_string_without_json_in_it_is_a_string(text: str) -> None:
    reject(json.dumps(text), "not_an_object", "the record is a string; a JSON object is accepted")


# White space for `str.split` and `str.strip`; some of it for nothing else.
SPACES = "".join(character for character in map(chr, range(0x3001)) if character.isspace())


@given(st.text(f'aeyJ0+/=x{{}}[]",;:\0{SPACES}', max_size=12))
def test_no_diagnosis_of_a_short_text_raises(text: str) -> None:
    """Check without `never_raising`, which would hide an error."""
    diagnose_bytes, diagnose_text = unguarded(diagnosis.diagnose_bytes), unguarded(diagnosis.diagnose_text)
    diagnose_bytes(text.encode())
    unguarded(diagnosis.diagnose_value)(text)
    diagnose_text(json.JSONDecodeError("Expecting value", text, 0))
    assert getattr(decode(record(text)), "reason", None) != "internal_error"


def unguarded(diagnose: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    original: Callable[[Any], str | None] = diagnose.__wrapped__  # type: ignore[attr-defined] # by functools.wraps
    return original


@pytest.mark.parametrize("space", SPACES)
def test_white_space_that_json_does_not_know_is_the_suppliers_error(space: str) -> None:
    assert reject_any(f"a{space}b".encode()).startswith("not JSON: ")
    reject(
        json.dumps(f"Hello{space}World"), "not_an_object", "the record is a string; a JSON object is accepted"
    )


def test_a_diagnosis_that_fails_is_left_out() -> None:
    def fails(_: object) -> str:
        raise ValueError("a mistake")

    def runs_out(_: object) -> str:
        raise MemoryError

    assert diagnosis.never_raising(fails)(b"x") is None
    with pytest.raises(MemoryError):
        diagnosis.never_raising(runs_out)(b"x")


def reject_any(data: bytes) -> str:
    outcome: Any = decode(record(data))
    message: str = outcome.message
    return message


ENVELOPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "CloudEvents": (
        {"specversion": "1.0", "type": "stock", "source": "/erp", "id": "1", "data": json.loads(TEXT)},
        "a CloudEvents",
        "data",
    ),
    "Debezium": (
        {"before": None, "after": json.loads(TEXT), "source": {"db": "erp"}, "op": "c", "ts_ms": 1},
        "a Debezium",
        "after",
    ),
    "Debezium with its schema": (
        {"schema": {"type": "struct"}, "payload": {"before": None, "after": json.loads(TEXT), "op": "u"}},
        "a Debezium",
        "payload.after",
    ),
    "DMS": (
        {
            "data": json.loads(TEXT),
            "metadata": {"record-type": "data", "operation": "update", "table-name": "stock"},
        },
        "a DMS",
        "data",
    ),
    "SNS": (
        {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::stock", "Message": TEXT},
        "an SNS",
        "Message",
    ),
    "EventBridge": (
        {"version": "0", "detail-type": "stock", "source": "erp", "detail": json.loads(TEXT)},
        "an EventBridge",
        "detail",
    ),
    "Kafka Connect": (
        {"schema": {"type": "struct"}, "payload": json.loads(TEXT)},
        "a Kafka Connect",
        "payload",
    ),
}


@pytest.mark.parametrize(("data", "whose", "member"), ENVELOPES.values(), ids=ENVELOPES)
def test_an_envelope_is_named_with_what_to_send_of_it(data: dict[str, Any], whose: str, member: str) -> None:
    looks = f'the record looks like {whose} envelope; send its payload, the member "{member}"'
    reject(data, "invalid_product_id", f"product_id is missing; {looks}")
    accept({**data, "product_id": "p", "price": 1})


def test_the_payload_of_a_cloud_event_may_be_in_base64() -> None:
    data = {"specversion": "1.0", "data_base64": base64.b64encode(JSON).decode()}
    member = 'a CloudEvents envelope; send its payload, the member "data_base64", decoded'
    reject(data, "invalid_product_id", f"product_id is missing; the record looks like {member}")


@pytest.mark.parametrize(
    "data",
    [
        {"payload": 1},
        {"metadata": []},
        {"data": {}},
        {"Message": ""},
        {"metadata": {"x": 1}},
        {"op": 1},
        {"specversion": 1},
    ],
)
def test_another_object_without_a_product_id_is_no_envelope(data: dict[str, Any]) -> None:
    reject(data, "invalid_product_id", "product_id is missing")


# --- the work that a diagnosis takes

FILLED: dict[str, Callable[[int], bytes]] = {
    "spaces": lambda size: b" " * size,
    "NULs": bytes,
    "zlib that does not end": lambda size: zlib.compress(bytes(10**7))[:size],
    "zlib's beginning": lambda size: b"x\x9c" + b"x" * size,
    "base64": lambda size: b"eyJw" * (size // 4),
    "base64 in lines": lambda size: b"eyJw\n" * (size // 5),
    "base64 at first": lambda size: b"eyJw" * (size // 4) + b"!",
    "base64 in a string": lambda size: b'"' + b"eyJw" * (size // 4) + b'"',
    "no separator": lambda size: b"x" * size,
    "separators without fields": lambda size: b"x, " * (size // 3),
    "objects": lambda size: b"{}" * (size // 2),
    "an object and white space": lambda size: b"{}," + b"\n" * size + b"x",
    "JSON in a string": lambda size: json.dumps('{"' * (size // 3)).encode(),
    "UTF-16": lambda size: TEXT.encode("utf-16-le") * (size // 56),
    "members": lambda size: json.dumps(dict.fromkeys(map(str, range(size // 15)))).encode(),
}


@pytest.mark.parametrize("filled", FILLED.values(), ids=FILLED)
def test_no_diagnosis_iterates_over_the_record(filled: Callable[[int], bytes]) -> None:
    """Check that only single passes of the standard library take longer for longer records."""
    few, many = lines_run(filled(1000)), lines_run(filled(MAX_BYTES - 8))
    assert 0 < many <= few + 5
    assert many < 100


def lines_run(data: bytes) -> int:
    """Return how many lines of diagnosis.py are run to decode a record."""
    assert len(data) <= MAX_BYTES
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    def enter(frame: FrameType, *_: Any) -> Any:
        return trace if frame.f_code.co_filename == diagnosis.__file__ else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        reject_any(data)
    finally:
        sys.settrace(before)
    return lines
