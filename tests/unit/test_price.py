"""Schema 1: which prices are accepted."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.updates import Update, decode
from tests.support.decoding import accept, event, reject
from tests.support.events import record


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
        ("19.990", 1999),
        ("1999e-2", 1999),
        ("2999.0e-2", 2999),
        ("1999000e-5", 1999),
        ("0.000", 0),
        ("0e-999999", 0),
        ("0e-99999999999", 0),
        ("99999999.9900", 9999999999),
        ("0." + "0" * 60_000, 0),
        ("19.99" + "0" * 60_000, 1999),
        ("0." + "0" * 60_000 + "1e60001", 100),
        ("1" + "0" * 60_000 + "e-60001", 10),
        ('"29.9900"', 2999),
        ('"0"', 0),
        ('"-0"', 0),
        ('"19.99"', 1999),
        ('"1e2"', 10000),
        ('"99999999.99"', 9999999999),
        (r'"\u0031"', 100),
    ],
)
def test_price_accepted(price: str, cents: int) -> None:
    assert accept(event(price=price)).values["price"] == cents


RANGE = "0 to 99999999.99 is accepted"
FORM = "a decimal number such as 19.99 is accepted"


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("19.995", "price has 3 decimals: 19.995; at most 2 are accepted"),
        ('"19.995"', 'price has 3 decimals: "19.995"; at most 2 are accepted'),
        ("19.99500", "price has 3 decimals: 19.99500; at most 2 are accepted"),
        ("-0.001", "price has 3 decimals: -0.001; at most 2 are accepted"),
        ("19995e-3", "price has 3 decimals: 19995e-3; at most 2 are accepted"),
        ("1e-3", "price has 3 decimals: 1e-3; at most 2 are accepted"),
        ("99999999.995", "price has 3 decimals: 99999999.995; at most 2 are accepted"),
        ("-0.01", f"price is -0.01; {RANGE}"),
        ("-1", f"price is -1; {RANGE}"),
        ('"-1"', f'price is "-1"; {RANGE}'),
        ("100000000", f"price is 100000000; {RANGE}"),
        ("100000000.00", f"price is 100000000.00; {RANGE}"),
        ("1e8", f"price is 1e8; {RANGE}"),
        ("1e9999", f"price is 1e9999; {RANGE}"),
        ("1E+999999", f"price is 1E+999999; {RANGE}"),
        ("-1E+999999", f"price is -1E+999999; {RANGE}"),
        ("1e99999999999999999999", f"price is 1e99999999999999999999; {RANGE}"),
        ('"1E+999999"', f'price is "1E+999999"; {RANGE}…'),
        ("1e-999999", "price has over 100000 decimals: 1e-999999; at most 2 are accepted"),
        ("1e-99999999999", "price has over 100000 decimals: 1e-99999999999; at most 2 are accepted"),
        ("1" * 4300, f"price is {'1' * 60}… (4300 characters); {RANGE}"),
        ("1" * 60_000, f"price is {'1' * 60}… (60000 characters); {RANGE}"),
        ("-" + "1" * 60_000, f"price is -{'1' * 59}… (60001 characters); {RANGE}"),
        (
            "1." + "1" * 60_000,
            f"price has 60000 decimals: 1.{'1' * 58}… (60002 characters); at most 2 are accepted",
        ),
        ("1e" + "1" * 60_000, f"price is 1e{'1' * 58}… (60002 characters); {RANGE}"),
        (f'"{"1" * 60_000}"', f'price is "{"1" * 59}… (60002 characters); {RANGE}…'),
        ("null", "price is null; a number or a string with a number is accepted"),
        ("true", "price is true; a number or a string with a number is accepted"),
        ("[1]", "price is an array; a number or a string with a number is accepted"),
        ("{}", "price is an object; a number or a string with a number is accepted"),
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
    valid = value == round(value, 2) and 0 <= value <= Decimal("99999999.99")
    outcome = decode(record(event(price=f'"{text}"' if quoted else text)))
    assert isinstance(outcome, Update) == valid
    if isinstance(outcome, Update):
        assert outcome.values["price"] == value * 100
