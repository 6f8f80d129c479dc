"""Schema 1: which inventories are accepted."""

import pytest

from tests.support.decoding import accept, event, reject


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 1),
        ("2147483647", 2147483647),
        ("12.0", 12),
        ("12.0000", 12),
        ("1.2e1", 12),
        ("1e2", 100),
        ("1200e-2", 12),
        ("-0.0", 0),
        ("0.0e-999999999", 0),
        ("2147483647.000", 2147483647),
        ("12." + "0" * 60_000, 12),
        ("0." + "0" * 60_000 + "12e60002", 12),
        ("12" + "0" * 60_000 + "e-60000", 12),
    ],
)
def test_inventory_accepted(inventory: str, expected: int) -> None:
    value = accept(event(inventory=inventory)).values["inventory"]
    assert (type(value), value) == (int, expected)


@pytest.mark.parametrize(
    ("inventory", "shown"),
    [
        ("-1", "-1; 0 to 2147483647 is accepted"),
        ("2147483648", "2147483648; 0 to 2147483647 is accepted"),
        ("9" * 4300, "9" * 60 + "… (4300 characters); 0 to 2147483647 is accepted"),
        ("9" * 4301, "9" * 60 + "… (4301 characters); 0 to 2147483647 is accepted"),
        ("-" + "9" * 60_000, "-" + "9" * 59 + "… (60001 characters); 0 to 2147483647 is accepted"),
        ("12.5", "12.5; a whole number is accepted"),
        ("125e-1", "125e-1; a whole number is accepted"),
        ("-0.5", "-0.5; a whole number is accepted"),
        ("1e-999999", "1e-999999; a whole number is accepted"),
        ("-12.0", "-12.0; 0 to 2147483647 is accepted"),
        ("2147483648.0", "2147483648.0; 0 to 2147483647 is accepted"),
        ("1E+999999", "1E+999999; 0 to 2147483647 is accepted"),
        ("1." + "1" * 60_000, "1." + "1" * 58 + "… (60002 characters); a whole number is accepted"),
        ('"12"', 'the string "12"; a whole number is accepted'),
        ('""', 'the string ""; a whole number is accepted'),
        (f'"{"1" * 60_000}"', f'the string "{"1" * 59}… (60002 characters); a whole number is accepted'),
        ("true", "true; a whole number is accepted"),
        ("false", "false; a whole number is accepted"),
        ("null", "null; a whole number is accepted"),
        ("[5]", "an array; a whole number is accepted"),
        ("{}", "an object; a whole number is accepted"),
    ],
)
def test_inventory_rejected(inventory: str, shown: str) -> None:
    reject(event(inventory=inventory, price="1"), "invalid_inventory", f"inventory is {shown}")
