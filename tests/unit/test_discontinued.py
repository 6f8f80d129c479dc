"""Schema 1: the values of `discontinued`."""

import pytest

from tests.support.decoding import accept, event, reject


@pytest.mark.parametrize(("discontinued", "expected"), [("true", True), ("false", False)])
def test_discontinued_accepted(discontinued: str, expected: bool) -> None:  # noqa: FBT001 a parameter of cases
    assert accept(event(discontinued=discontinued)).values == {"inventory": 100, "discontinued": expected}
    assert accept(event(inventory="", discontinued=discontinued)).values == {"discontinued": expected}


@pytest.mark.parametrize(
    ("discontinued", "shown"),
    [
        ("null", "null"),
        ("0", "0"),
        ("1", "1"),
        ("1.0", "1.0"),
        ('"true"', 'the string "true"'),
        ('""', 'the string ""'),
        ("[true]", "an array"),
        ("{}", "an object"),
        ("9" * 5000, "9" * 60 + "… (5000 characters)"),
    ],
)
def test_discontinued_rejected(discontinued: str, shown: str) -> None:
    message = f"discontinued is {shown}; true or false is accepted"
    reject(event(discontinued=discontinued), "invalid_discontinued", message)
