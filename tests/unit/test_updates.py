"""Schema 1: what is accepted, what is rejected, and what the supplier is told."""

import json
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.records import Defect, Record
from processor.updates import MAX_BYTES, Rejection, Update, decode
from tests.events import ARRIVAL_MS, ARRIVAL_TIME, record

# 9999-12-31T23:59:59.999Z
LAST_ARRIVAL_MS: Final = 253_402_300_799_999


def accept(data: bytes | str | dict[str, Any], *, arrival_ms: int = ARRIVAL_MS) -> Update:
    """The update these bytes carry."""
    received = record(data, arrival_ms=arrival_ms)
    verdict = decode(received)
    assert isinstance(verdict, Update), f"{verdict.reason}: {verdict.message}"
    assert verdict.record is received
    return verdict


def reject(
    data: bytes | str | dict[str, Any], reason: str, message: str = "", *, arrival_ms: int = ARRIVAL_MS
) -> Rejection:
    """The rejection these bytes meet; an expected `message` that ends in "…" is a beginning."""
    received = record(data, arrival_ms=arrival_ms)
    verdict = decode(received)
    assert isinstance(verdict, Rejection), f"accepted: {verdict}"
    assert verdict.record is received
    assert verdict.reason == reason, verdict.message
    if message.endswith("…"):
        assert verdict.message.startswith(message[:-1])
    elif message:
        assert verdict.message == message
    assert "\n" not in verdict.message
    assert len(verdict.message) <= 250
    return verdict


def event(**fields: str) -> str:
    """A valid event as JSON text, with these fields' JSON in place of or besides its own."""
    members = {"product_id": '"product123"', "inventory": "100", **fields}
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items() if value) + "}"


# --- the whole


def test_the_reference_event_is_valid_as_it_stands() -> None:
    update = accept('{"product_id": "product123", "inventory": 100, "price": 29.99}')
    assert update[:3] == ("product123", 100, 2999)
    assert update.supplier is None
    assert update.version.startswith("2026-01-31T08:30:00.123000Z ")


@pytest.mark.parametrize(
    ("fields", "inventory", "price_cents"),
    [({"inventory": ""}, None, 500), ({"price": ""}, 100, None), ({}, 100, 500)],
)
def test_a_missing_field_is_left_alone(
    fields: dict[str, str], inventory: int | None, price_cents: int | None
) -> None:
    update = accept(event(**{"price": "5", **fields}))
    assert (update.inventory, update.price_cents) == (inventory, price_cents)


def test_an_update_updates_something() -> None:
    message = 'neither "inventory" nor "price"; at least one is needed'
    reject('{"product_id": "p"}', "nothing_to_update", message)


def test_a_defect_found_before_decoding_is_the_reason() -> None:
    broken = record(event())._replace(defect=Defect("invalid_base64", "no base64"))
    assert decode(broken) == Rejection(broken, "invalid_base64", "no base64", None)


@pytest.mark.parametrize(
    "data",
    [
        b'{"product_id":"a","price":1,"inventory":2}',
        b' \t\r\n{ "inventory" : 2 , "price":1,\n"product_id":"a"}\n\n',
        rb'{"p\u0072ice":1,"inventory":2,"product_id":"\u0061"}',
    ],
)
def test_order_spelling_and_white_space_between_members_do_not_matter(data: bytes) -> None:
    assert accept(data)[:3] == ("a", 2, 100)


# --- schema_version


def test_schema_version_1_is_accepted() -> None:
    accept(event(schema_version="1"))


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("2", "2"),
        ("0", "0"),
        ("-1", "-1"),
        ("1.0", "1.0"),
        ('"1"', '"1"'),
        ("true", "true"),
        ("null", "null"),
        ("[1]", "an array"),
        ("{}", "an object"),
        ("9" * 5000, "9" * 60 + "… (5000 characters)"),
    ],
)
def test_another_schema_version_is_rejected(version: str, shown: str) -> None:
    reject(event(schema_version=version), "unknown_schema", f"schema_version is {shown}; 1 is accepted")


# --- product_id


@pytest.mark.parametrize(
    "product_id",
    [
        "p",
        "p" * 255,
        "\U0001f600" * 255,
        "two words",
        "a\u00a0b",
        "x:lease",
        '"quoted" \\ {}',
        "a\u200b",  # zero-width space: neither white space nor control
        "日本語",
        "'; DROP TABLE products; --",
    ],
)
def test_product_id_accepted(product_id: str) -> None:
    for ensure_ascii in (True, False):
        text = json.dumps({"product_id": product_id, "inventory": 1}, ensure_ascii=ensure_ascii)
        assert accept(text).product_id == product_id


@pytest.mark.parametrize(
    ("product_id", "message"),
    [
        ("", "product_id is missing"),
        ("null", "product_id is null; a string is accepted"),
        ("1", "product_id is an integer; a string is accepted"),
        ("1.5", "product_id is a number; a string is accepted"),
        ("1e5", "product_id is a number; a string is accepted"),
        ("9" * 5000, "product_id is a number; a string is accepted"),
        ("true", "product_id is true; a string is accepted"),
        ('["p"]', "product_id is an array; a string is accepted"),
        ("{}", "product_id is an object; a string is accepted"),
        ('""', "product_id has 0 characters; 1 to 255"),
        (f'"{"p" * 256}"', "product_id has 256 characters; 1 to 255"),
        (f'"{"é" * 256}"', "product_id has 256 characters; 1 to 255"),
        ('" p"', 'product_id has white space around it: " p"'),
        ('"p "', 'product_id has white space around it: "p "'),
        ('" "', 'product_id has white space around it: " "'),
        ('"\u00a0p"', 'product_id has white space around it: "\\u00a0p"'),
        ('"p\u3000"', 'product_id has white space around it: "p\\u3000"'),
        ('"\\u2028p"', 'product_id has white space around it: "\\u2028p"'),
        ('"p\\u2029"', 'product_id has white space around it: "p\\u2029"'),
        ('"p\u205f"', 'product_id has white space around it: "p\\u205f"'),
        (r'"p\t"', "product_id holds the control character U+0009 at character 1"),
        (r'"a\u0000b"', "product_id holds the control character U+0000 at character 1"),
        (r'"\u001f"', "product_id holds the control character U+001F at character 0"),
        ('"ab\x7f"', "product_id holds the control character U+007F at character 2"),
        ('"\x80"', "product_id holds the control character U+0080 at character 0"),
        (r'"é\u0085"', "product_id holds the control character U+0085 at character 1"),
        (r'"\u009fx"', "product_id holds the control character U+009F at character 0"),
        (r'"a\ud800"', "product_id holds the lone surrogate U+D800 at character 1"),
        (r'"\udfffa"', "product_id holds the lone surrogate U+DFFF at character 0"),
        (r'"\ude00\ud83d"', "product_id holds the lone surrogate U+DE00 at character 0"),
    ],
)
def test_product_id_rejected(product_id: str, message: str) -> None:
    reject(event(product_id=product_id), "invalid_product_id", message)


def test_a_surrogate_pair_is_one_character() -> None:
    assert accept(event(product_id=r'"\ud83d\ude00"')).product_id == "\U0001f600"


# --- inventory


@pytest.mark.parametrize(
    ("inventory", "expected"), [("0", 0), ("-0", 0), ("1", 1), ("2147483647", 2147483647)]
)
def test_inventory_accepted(inventory: str, expected: int) -> None:
    assert accept(event(inventory=inventory)).inventory == expected


@pytest.mark.parametrize(
    ("inventory", "shown"),
    [
        ("-1", "-1; 0 to 2147483647"),
        ("2147483648", "2147483648; 0 to 2147483647"),
        ("9" * 4300, "9" * 60 + "… (4300 characters); 0 to 2147483647"),
        ("9" * 4301, "9" * 60 + "… (4301 characters); 0 to 2147483647"),
        ("-" + "9" * 60_000, "-" + "9" * 59 + "… (60001 characters); 0 to 2147483647"),
        ("1.0", "1.0; an integer is accepted"),
        ("1e2", "1e2; an integer is accepted"),
        ('"5"', "a string; an integer is accepted"),
        ("true", "true; an integer is accepted"),
        ("false", "false; an integer is accepted"),
        ("null", "null; an integer is accepted"),
        ("[5]", "an array; an integer is accepted"),
        ("{}", "an object; an integer is accepted"),
    ],
)
def test_inventory_rejected(inventory: str, shown: str) -> None:
    reject(event(inventory=inventory, price="1"), "invalid_inventory", f"inventory is {shown}")


# --- price


@pytest.mark.parametrize(
    ("price", "cents"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.00", 0),
        ("0.0", 0),
        ("0e9", 0),
        ("0E+999999", 0),
        ("-0e99999999", 0),
        ("0.01", 1),
        ("20", 2000),
        ("19.9", 1990),
        ("19.99", 1999),
        ("0.29", 29),  # 28.999999999999996 cents in binary
        ("1.15", 115),
        ("4.35", 435),
        ("99999999", 9999999900),
        ("99999999.99", 9999999999),
        ("9.999999999e7", 9999999999),
        ("1e2", 10000),
        ("1E+2", 10000),
        ("1.5e1", 1500),
        ("150e-1", 1500),
        ("1e-2", 1),
        ("1e0000000000000001", 1000),
        ("1e-0000000000000001", 10),
        ("0.0000001e7", 100),
        ("0." + "0" * 500 + "1e501", 100),
        ('"0"', 0),
        ('"-0"', 0),
        ('"19.99"', 1999),
        ('"1e2"', 10000),
        ('"99999999.99"', 9999999999),
        (r'"\u0031"', 100),
    ],
)
def test_price_accepted(price: str, cents: int) -> None:
    assert accept(event(price=price)).price_cents == cents


RANGE: Final = "0 to 99999999.99"
FORM: Final = "a decimal number such as 19.99 is accepted"


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("19.995", "price has 3 decimals: 19.995; at most 2"),
        ('"19.995"', 'price has 3 decimals: "19.995"; at most 2'),
        ("19.990", "price has 3 decimals: 19.990; at most 2"),
        ("0.000", "price has 3 decimals: 0.000; at most 2"),
        ("1e-3", "price has 3 decimals: 1e-3; at most 2"),
        ("99999999.995", "price has 3 decimals: 99999999.995; at most 2"),
        ("-0.01", f"price is -0.01; {RANGE}"),
        ("-1", f"price is -1; {RANGE}"),
        ('"-1"', f'price is "-1"; {RANGE}'),
        ("100000000", f"price is 100000000; {RANGE}"),
        ("100000000.00", f"price is 100000000.00; {RANGE}"),
        ("1e8", f"price is 1e8; {RANGE}"),
        ("1e9999", f"price is 1e9999; {RANGE}"),
        ("1E+999999", f"price is 1E+999999; {RANGE}…"),
        ("-1E+999999", f"price is -1E+999999; {RANGE}…"),
        ("1e99999999999999999999", f"price is 1e99999999999999999999; {RANGE}…"),
        ('"1E+999999"', f'price is "1E+999999"; {RANGE}…'),
        ("1e-999999", "price is 1e-999999; …"),
        ("0e-999999", "price is 0e-999999; …"),
        ("1" * 4300, f"price is {'1' * 60}… (4300 characters); {RANGE}…"),
        ("1" * 60_000, f"price is {'1' * 60}… (60000 characters); {RANGE}…"),
        ("-" + "1" * 60_000, f"price is -{'1' * 59}… (60001 characters); {RANGE}…"),
        ("0." + "0" * 60_000, f"price has 60000 decimals: 0.{'0' * 58}… (60002 characters); at most 2"),
        ("1." + "1" * 60_000, f"price is 1.{'1' * 58}… (60002 characters); {RANGE}…"),
        ("1e" + "1" * 60_000, f"price is 1e{'1' * 58}… (60002 characters); {RANGE}…"),
        (f'"{"1" * 60_000}"', f'price is "{"1" * 59}… (60002 characters); {RANGE}…'),
        ("null", "price is null; a number or its text is accepted"),
        ("true", "price is true; a number or its text is accepted"),
        ("[1]", "price is an array; a number or its text is accepted"),
        ("{}", "price is an object; a number or its text is accepted"),
        ('""', f'price is ""; {FORM}'),
        ('" 1"', f'price is " 1"; {FORM}'),
        ('"1 "', f'price is "1 "; {FORM}'),
        (r'"1\n"', f'price is "1\\n"; {FORM}'),
        ('"+1"', f'price is "+1"; {FORM}'),
        ('"1,5"', f'price is "1,5"; {FORM}'),
        ('".5"', f'price is ".5"; {FORM}'),
        ('"5."', f'price is "5."; {FORM}'),
        ('"01"', f'price is "01"; {FORM}'),
        ('"0x10"', f'price is "0x10"; {FORM}'),
        ('"1_000"', f'price is "1_000"; {FORM}'),
        ('"١"', f'price is "\\u0661"; {FORM}'),
        ('"NaN"', f'price is "NaN"; {FORM}'),
        ('"Infinity"', f'price is "Infinity"; {FORM}'),
        ('"€5"', f'price is "\\u20ac5"; {FORM}'),
    ],
)
def test_price_rejected(price: str, message: str) -> None:
    reject(event(price=price), "invalid_price", message)


@given(
    sign=st.sampled_from(["", "-"]),
    whole=st.integers(0, 10**9).map(str),
    fraction=st.text("0123456789", max_size=4),
    exponent=st.none() | st.integers(-6, 9),
    quoted=st.booleans(),
)
def test_price_is_exact(sign: str, whole: str, fraction: str, exponent: int | None, *, quoted: bool) -> None:
    text = (
        sign + whole + (f".{fraction}" if fraction else "") + (f"e{exponent}" if exponent is not None else "")
    )
    value = Decimal(text)
    decimals = -int(value.as_tuple().exponent)
    valid = decimals <= 2 and 0 <= value <= Decimal("99999999.99")
    verdict = decode(record(event(price=f'"{text}"' if quoted else text)))
    assert isinstance(verdict, Update) == valid
    if isinstance(verdict, Update):
        assert verdict.price_cents == value * 100


# --- event_time


@pytest.mark.parametrize(
    ("event_time", "version"),
    [
        ("2026-01-31T08:30:00Z", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31t08:30:00z", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00+00:00", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00-00:00", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T10:00:00+01:30", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-30T23:00:00-09:30", "2026-01-31T08:30:00.000000Z"),
        ("2026-02-01T08:29:00+23:59", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-30T08:31:00-23:59", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00.1Z", "2026-01-31T08:30:00.100000Z"),
        ("2026-01-31T08:30:00.000001Z", "2026-01-31T08:30:00.000001Z"),
        ("2026-01-31T08:30:00.120000Z", "2026-01-31T08:30:00.120000Z"),
        ("2025-12-31T23:59:59.999999Z", "2025-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("1970-01-01T00:00:00-01:00", "1970-01-01T01:00:00.000000Z"),
        ("2026-01-31T08:35:00.123Z", "2026-01-31T08:35:00.123000Z"),  # five minutes after it arrived
        ("2026-01-31T09:35:00.123+01:00", "2026-01-31T08:35:00.123000Z"),
    ],
)
def test_event_time_accepted(event_time: str, version: str) -> None:
    assert accept(event(event_time=f'"{event_time}"')).version.startswith(f"{version} ")


FORM_OF_TIME: Final = (
    "; RFC 3339 with an offset and at most 6 fractional digits is accepted, such as 2026-01-31T08:30:00Z"
)


@pytest.mark.parametrize(
    "event_time",
    [
        "",
        "now",
        "1769848200",
        "2026-01-31",
        "2026-01-31T08:30:00",
        "2026-01-31 08:30:00Z",
        "2026-01-31T08:30Z",
        "2026-01-31T083000Z",
        "20260131T083000Z",
        "2026-W05-6T08:30:00Z",
        "2026-01-31T08:30:00.Z",
        "2026-01-31T08:30:00,1Z",
        "2026-01-31T08:30:00.1234567Z",
        "2026-01-31T08:30:00+01",
        "2026-01-31T08:30:00+0100",
        "2026-01-31T08:30:00+24:00",
        "2026-01-31T08:30:00+01:60",
        "2026-01-31T08:30:00+01:00:30",
        "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z",
        "2026-1-31T08:30:00Z",
        "+2026-01-31T08:30:00Z",
        "02026-01-31T08:30:00Z",
        " 2026-01-31T08:30:00Z",
        "2026-01-31T08:30:00Z ",
        "2026-01-31T08:30:00Z\n",
        "２026-01-31T08:30:00Z",
    ],
)
def test_event_time_of_another_form_is_rejected(event_time: str) -> None:
    text = json.dumps(event_time)
    reject(event(event_time=text), "invalid_event_time", f"event_time is {text}{FORM_OF_TIME}")


@pytest.mark.parametrize(
    ("event_time", "message"),
    [
        ("1769848200", f"event_time is 1769848200{FORM_OF_TIME}"),
        ("1769848200.5", f"event_time is 1769848200.5{FORM_OF_TIME}"),
        ("null", f"event_time is null{FORM_OF_TIME}"),
        ("9" * 5000, f"event_time is {'9' * 60}… (5000 characters){FORM_OF_TIME}"),
        ("true", f"event_time is true{FORM_OF_TIME}"),
        ("[]", f"event_time is an array{FORM_OF_TIME}"),
        ("{}", f"event_time is an object{FORM_OF_TIME}"),
        ('"2026-02-30T08:30:00Z"', 'event_time is "2026-02-30T08:30:00Z", no date and time: …'),
        ('"2025-02-29T08:30:00Z"', 'event_time is "2025-02-29T08:30:00Z", no date and time: …'),
        ('"2026-13-01T08:30:00Z"', 'event_time is "2026-13-01T08:30:00Z", no date and time: …'),
        ('"2026-00-01T08:30:00Z"', 'event_time is "2026-00-01T08:30:00Z", no date and time: …'),
        ('"2026-01-00T08:30:00Z"', 'event_time is "2026-01-00T08:30:00Z", no date and time: …'),
        ('"2016-12-31T23:59:60Z"', 'event_time is "2016-12-31T23:59:60Z", no date and time: …'),  # was one
        ('"2026-01-31T08:30:99Z"', 'event_time is "2026-01-31T08:30:99Z", no date and time: …'),
        (
            '"1969-12-31T23:59:59.999999Z"',
            'event_time is "1969-12-31T23:59:59.999999Z"; 1970 or later is accepted',
        ),
        (
            '"1970-01-01T00:00:00+00:01"',
            'event_time is "1970-01-01T00:00:00+00:01"; 1970 or later is accepted',
        ),
        ('"0000-01-01T00:00:00Z"', 'event_time is "0000-01-01T00:00:00Z"…'),
        (
            '"0001-01-01T00:00:00+23:59"',
            'event_time is "0001-01-01T00:00:00+23:59"; 1970 or later is accepted',
        ),
    ],
)
def test_event_time_rejected(event_time: str, message: str) -> None:
    reject(event(event_time=event_time), "invalid_event_time", message)


@pytest.mark.parametrize(
    "event_time",
    [
        "2026-01-31T08:35:00.123001Z",  # five minutes and a microsecond after it arrived
        "2026-01-31T09:35:00.123001+01:00",
        "2026-01-31T08:36:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_event_time_in_the_future_is_rejected(event_time: str) -> None:
    reject(
        event(event_time=f'"{event_time}"'),
        "event_time_in_future",
        f'event_time "{event_time}" is later than the arrival time {ARRIVAL_TIME} by more than 5 minutes',
    )


def test_event_time_reaches_to_the_end_of_9999() -> None:
    update = accept(event(event_time='"9999-12-31T23:59:59.999999Z"'), arrival_ms=LAST_ARRIVAL_MS)
    assert update.version.startswith("9999-12-31T23:59:59.999999Z ")


@pytest.mark.parametrize("arrival_ms", [0, 1, 999, ARRIVAL_MS, LAST_ARRIVAL_MS])
def test_without_event_time_the_arrival_time_counts(arrival_ms: int) -> None:
    milliseconds = arrival_ms % 1000
    assert f".{milliseconds:03d}000Z " in accept(event(), arrival_ms=arrival_ms).version


# --- supplier


@pytest.mark.parametrize("supplier", ["a", "a" * 64, "é" * 64, "Acme & Söhne", " "])
def test_supplier_accepted(supplier: str) -> None:
    assert accept(event(supplier=json.dumps(supplier))).supplier == supplier


@pytest.mark.parametrize(
    ("supplier", "message"),
    [
        ('""', "supplier has 0 characters; 1 to 64"),
        (f'"{"s" * 65}"', "supplier has 65 characters; 1 to 64"),
        ("null", "supplier is null; a string is accepted"),
        ("7", "supplier is an integer; a string is accepted"),
        ("7.0", "supplier is a number; a string is accepted"),
        ("false", "supplier is false; a string is accepted"),
        ('["acme"]', "supplier is an array; a string is accepted"),
        ('{"name":"acme"}', "supplier is an object; a string is accepted"),
    ],
)
def test_supplier_rejected(supplier: str, message: str) -> None:
    assert reject(event(supplier=supplier), "invalid_supplier", message).supplier is None


@pytest.mark.parametrize(
    ("data", "reason", "supplier"),
    [
        ('{"supplier":"acme","product_id":"p"}', "nothing_to_update", "acme"),
        ('{"supplier":"acme","product_id":"p","inventory":-1}', "invalid_inventory", "acme"),
        ('{"supplier":"acme","schema_version":2}', "unknown_schema", "acme"),
        ('{"supplier":7,"product_id":""}', "invalid_product_id", None),
        ('{"supplier":7.5,"product_id":""}', "invalid_product_id", None),
        ('{"supplier":"acme"', "invalid_json", None),
    ],
)
def test_a_rejection_says_who_sent_it_if_that_is_readable(
    data: str, reason: str, supplier: str | None
) -> None:
    assert reject(data, reason).supplier == supplier


# --- the bytes


@pytest.mark.parametrize(
    "ignored",
    [
        "null",
        "[]",
        '"\\ud800"',
        '"\\u0000"',
        '"\u2028\x85"',
        "1e999999",
        "9" * 4300,
        "9" * 4301,
        "-" + "9" * 60_000,
        '{"product_id":"other","inventory":-5,"price":null}',
    ],
)
def test_other_fields_are_ignored(ignored: str) -> None:
    assert accept(event(price="1.5", colour=ignored))[:3] == ("product123", 100, 150)


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (b"", "invalid_json", "not JSON: Expecting value at line 1, column 1"),
        (b" \n ", "invalid_json", "not JSON: Expecting value at line 2, column 2"),
        (b"product123,100,29.99", "invalid_json", "not JSON: Expecting value at line 1, column 1"),
        (b"{'product_id': 'p'}", "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1,}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1}}', "invalid_json", "not JSON: Extra data at line 1, column 29"),
        (b'{"product_id":"p"}{"price":1}', "invalid_json", "not JSON: Extra data at line 1, column 19"),
        (b'{"product_id":"p","price":01}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":+1}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":.5}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1.}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1}//', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p\n","price":1}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p\x00","price":1}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"\\x41","price":1}', "invalid_json", "not JSON: …"),
        (b'\x0c{"product_id":"p","price":1}', "invalid_json", "not JSON: …"),
        (b'\xc2\xa0{"product_id":"p","price":1}', "invalid_json", "not JSON: …"),
        (b'\xef\xbb\xbf{"product_id":"p","price":1}', "invalid_json", "not JSON: …"),
        (b'{"product_id":"p","price":1}\x00', "invalid_json", "not JSON: …"),
        (b'{"product_id":"\xff","price":1}', "invalid_utf8", "byte 15 of the record is not UTF-8 (…"),
        (b'{"product_id":"\xed\xa0\x80","price":1}', "invalid_utf8", "byte 15 of the record is not UTF-8 (…"),
        (b'{"product_id":"\xc0\x80","price":1}', "invalid_utf8", "byte 15 of the record is not UTF-8 (…"),
        (b'{"product_id":"p","price":1}\xe2\x82', "invalid_utf8", "byte 28 of the record is not UTF-8 (…"),
        ('{"product_id":"p","price":1}'.encode("utf-16"), "invalid_utf8", "byte 0 of the record …"),
        ('{"product_id":"p","price":1}'.encode("utf-16-be"), "invalid_json", "not JSON: …"),
        (b"[]", "not_an_object", "the record is an array; a JSON object is accepted"),
        (
            b'[{"product_id":"p","price":1}]',
            "not_an_object",
            "the record is an array; a JSON object is accepted",
        ),
        (b'"text"', "not_an_object", "the record is a string; a JSON object is accepted"),
        (b"1", "not_an_object", "the record is an integer; a JSON object is accepted"),
        (b"1.5", "not_an_object", "the record is a number; a JSON object is accepted"),
        (b"true", "not_an_object", "the record is true; a JSON object is accepted"),
        (b"null", "not_an_object", "the record is null; a JSON object is accepted"),
        (b"9" * 5000, "not_an_object", "the record is a number; a JSON object is accepted"),
    ],
)
def test_bytes_that_are_no_json_object_are_rejected(data: bytes, reason: str, message: str) -> None:
    reject(data, reason, message)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["price", "inventory", "colour"])
def test_javascripts_constants_are_rejected(field: str, constant: str) -> None:
    reject(event(**{field: constant}), "invalid_json", f"{constant} is not JSON")
    reject(event(colour=f'[{{"a":{constant}}}]'), "invalid_json", f"{constant} is not JSON")


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ('{"product_id":"p","price":1,"price":1}', '"price"'),
        ('{"product_id":"p","price":1,"product_id":"q"}', '"product_id"'),
        (r'{"product_id":"p","price":1,"\u0070rice":2}', '"price"'),
        ('{"product_id":"p","price":1,"a":{"b":1,"c":2,"b":3}}', '"b"'),
        ('{"product_id":"p","price":1,"a":[[{"":1,"":1}]]}', '""'),
        ('{"product_id":"p","price":1,"é":1,"\\u00e9":1}', '"\\u00e9"'),
        ('{"product_id":"p","price":1,"\\ud800":1,"\\ud800":1}', '"\\ud800"'),
    ],
)
def test_a_key_that_stands_twice_is_rejected(data: str, key: str) -> None:
    reject(data, "duplicate_key", f"the key {key} stands twice; at most once")


def test_the_same_key_in_two_objects_is_accepted() -> None:
    accept('{"product_id":"p","price":1,"a":{"price":1},"b":[{"price":1},{"price":1}],"Price":1}')


def padded(size_bytes: int) -> bytes:
    """A valid record of this size."""
    data = event(price="1").encode()
    return data + b" " * (size_bytes - len(data))


def test_size_boundary() -> None:
    accept(padded(MAX_BYTES))
    reject(padded(MAX_BYTES + 1), "too_large", "the record has 65537 bytes; at most 65536")
    reject(b"\xff" * 10**6, "too_large", "the record has 1000000 bytes; at most 65536")


@pytest.mark.parametrize(
    "inner",
    [
        "[" * 7 + "]" * 7,
        '{"a":' * 7 + "1" + "}" * 7,
        '[{"a":' * 3 + "[]" + "}]" * 3,
        "[" * 6 + "[]," * 5000 + "[]" + "]" * 6,
        '"' + "[" * 9 + '"',
        r'"\"' + "[" * 9 + r'\\"',
        '{"' + "[{" * 9 + '":1}',
        '["' + '[\\"{' * 40 + '"]',
        '"' + "é[" * 40 + '"',
    ],
)
def test_depth_8_is_accepted_and_brackets_inside_strings_do_not_count(inner: str) -> None:
    accept(event(colour=inner))


@pytest.mark.parametrize(
    "data",
    [
        event(colour="[" * 8 + "]" * 8),
        event(colour='{"a":' * 8 + "1" + "}" * 8),
        event(colour='[{"a":' * 4 + "1" + "}]" * 4),
        event(colour="[" * 6 + "[]," * 500 + "[[]]" + "]" * 6),
        event(colour=r'["\\",' + "[" * 7 + "]" * 8),
        event(colour=r'["]]]]\"]]]]",' + "[" * 7 + "]" * 8),
        "[" * 9 + "]" * 9,
        "[" * 9,
        "[" * 65_536,
        '{"a":' * 13_000,
    ],
)
def test_depth_9_is_rejected(data: str) -> None:
    reject(data, "too_deep", "nested deeper than 8…")


# --- hostile records: a verdict for all of them, and the expected one


def filled(start: bytes, unit: bytes, end: bytes = b"") -> bytes:
    """As many units between start and end as a record may hold."""
    return start + unit * ((MAX_BYTES - len(start) - len(end)) // len(unit)) + end


VALID: Final = b'{"product_id":"p","price":1,"a":['
HOSTILE: Final[dict[str, tuple[bytes, str | None]]] = {
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
        "invalid_price",
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
def test_a_hostile_record_is_judged(data: bytes, reason: str | None) -> None:
    if reason is None:
        accept(data)
    else:
        reject(data, reason)


SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**10, "2026-01-31T08:30:00Z", "1e5", "19.99", 1, 1.5, "\ud800", " "]),
)
NESTED: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)
EVENTS: Final = st.fixed_dictionaries(
    {"product_id": NESTED | st.just("p"), "price": NESTED | st.just("19.99")},
    optional=dict.fromkeys(("inventory", "event_time", "supplier", "schema_version", "x"), NESTED),
).map(lambda fields: json.dumps(fields).encode())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid JSON with a few places overwritten, cut out or repeated."""
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


REPEATED: Final = st.builds(
    lambda start, unit, times, end: (start + unit * times + end)[:MAX_BYTES],
    st.sampled_from([b"", VALID, b'{"product_id":"', b'{"product_id":"p","price":', b"["]),
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
def test_every_record_gets_one_verdict(data: bytes, arrival_ms: int) -> None:
    received = record(data, arrival_ms=arrival_ms)
    verdict = decode(received)
    assert isinstance(verdict, Update | Rejection)
    copy = Record(*received)._replace(data=bytes(bytearray(data)))
    assert decode(copy) == verdict
    if isinstance(verdict, Update):
        assert type(verdict.product_id) is str
        assert 1 <= len(verdict.product_id) <= 255
        verdict.product_id.encode()
        assert verdict.inventory is not None or verdict.price_cents is not None
        assert 0 <= (verdict.inventory or 0) < 2**31
        assert 0 <= (verdict.price_cents or 0) < 10**10
        assert verdict.version.isascii()
