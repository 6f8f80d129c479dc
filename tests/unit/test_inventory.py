"""Schema 1: what may be an inventory."""

import pytest

from tests.verdicts import accept, event, reject


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
