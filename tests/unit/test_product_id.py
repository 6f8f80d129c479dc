"""Schema 1: what may be a product's id."""

import json

import pytest

from tests.verdicts import accept, event, reject


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
