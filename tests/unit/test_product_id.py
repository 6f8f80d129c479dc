"""Schema 1: which product ids are accepted."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.updates import Rejection, Update, decode
from tests.support.decoding import accept, event, reject
from tests.support.events import record


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
        "caf\u00e9",
        "\u1e9b\u0323",  # in normal form C, but not in KC
        "\ufb01",
        "\u2460",
        "\u0ae9\u0301",
        "\ue000",  # private use
        "\u0378",  # unassigned
        "\U0001f468\ufe0f",  # a variation selector is a mark
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
        ('""', "product_id has 0 characters; 1 to 255 are accepted"),
        (f'"{"p" * 256}"', "product_id has 256 characters; 1 to 255 are accepted"),
        (f'"{"é" * 256}"', "product_id has 256 characters; 1 to 255 are accepted"),
        ('" p"', 'product_id has white space around it: " p"'),
        ('"p "', 'product_id has white space around it: "p "'),
        ('" "', 'product_id has white space around it: " "'),
        ('"\u00a0p"', 'product_id has white space around it: "\\u00a0p"'),
        ('"p\u3000"', 'product_id has white space around it: "p\\u3000"'),
        ('"\\u2028p"', 'product_id has white space around it: "\\u2028p"'),
        ('"p\\u2029"', 'product_id has white space around it: "p\\u2029"'),
        ('"p\u205f"', 'product_id has white space around it: "p\\u205f"'),
        (r'"p\t"', "product_id holds the control character U+0009 at character 2"),
        (r'"a\u0000b"', "product_id holds the control character U+0000 at character 2"),
        (r'"\u001f"', "product_id holds the control character U+001F at character 1"),
        ('"ab\x7f"', "product_id holds the control character U+007F at character 3"),
        ('"\x80"', "product_id holds the control character U+0080 at character 1"),
        (r'"é\u0085"', "product_id holds the control character U+0085 at character 2"),
        (r'"\u009fx"', "product_id holds the control character U+009F at character 1"),
        (r'"a\ud800"', "product_id holds the lone surrogate U+D800 at character 2"),
        (r'"\udfffa"', "product_id holds the lone surrogate U+DFFF at character 1"),
        (r'"\ude00\ud83d"', "product_id holds the lone surrogate U+DE00 at character 1"),
        (
            '"\u200b"',
            "product_id holds the format character U+200B (ZERO WIDTH SPACE) at character 1",
        ),
        (
            r'"a\u200d"',
            "product_id holds the format character U+200D (ZERO WIDTH JOINER) at character 2",
        ),
        ('"a\u00adb"', "product_id holds the format character U+00AD (SOFT HYPHEN) at character 2"),
        (
            '"\ufeffp"',
            "product_id holds the format character U+FEFF (ZERO WIDTH NO-BREAK SPACE) at character 1",
        ),
        (
            '"ab\u202ec"',
            "product_id holds the format character U+202E (RIGHT-TO-LEFT OVERRIDE) at character 3",
        ),
        (
            '"p\U000e0041"',
            "product_id holds the format character U+E0041 (TAG LATIN CAPITAL LETTER A) at character 2",
        ),
        (
            '"cafe\u0301"',
            "product_id has U+0065 at character 4 where normal form C has U+00E9: "
            '"cafe\\u0301"; Unicode normal form C is accepted',
        ),
        (
            '"\u212b"',  # the sign of the angstrom
            "product_id has U+212B at character 1 where normal form C has U+00C5: "
            '"\\u212b"; Unicode normal form C is accepted',
        ),
        (
            '"1\u0958"',  # composed, but not in normal form C
            "product_id has U+0958 at character 2 where normal form C has U+0915: "
            '"1\\u0958"; Unicode normal form C is accepted',
        ),
        (
            '"q\u0307\u0323"',  # two marks in the other order
            "product_id has U+0307 at character 2 where normal form C has U+0323: "
            '"q\\u0307\\u0323"; Unicode normal form C is accepted',
        ),
    ],
)
def test_product_id_rejected(product_id: str, message: str) -> None:
    reject(event(product_id=product_id), "invalid_product_id", message)


def test_a_surrogate_pair_is_one_character() -> None:
    assert accept(event(product_id=r'"\ud83d\ude00"')).product_id == "\U0001f600"


@given(st.text(min_size=1, max_size=20))
def test_no_two_accepted_ids_look_the_same_by_invisible_characters_or_by_spelling(product_id: str) -> None:
    outcome = decode(record({"product_id": product_id, "inventory": 1}))
    invisible = {unicodedata.category(character) for character in product_id} & {"Cc", "Cf", "Cs"}
    spelt = unicodedata.normalize("NFC", product_id) == product_id
    surrounded = product_id != product_id.strip()
    assert isinstance(outcome, Update) == (spelt and not invisible and not surrounded)


@given(
    st.text("ae\u0301\u0327\u00e9\u1100\u1161\u11a8\uac00\u0958\u093c\u212b\u0344", min_size=1, max_size=8)
)
def test_whatever_is_not_in_normal_form_c_is_named(product_id: str) -> None:
    outcome = decode(record({"product_id": product_id, "inventory": 1}))
    normal = unicodedata.normalize("NFC", product_id)
    assert isinstance(outcome, Update) == (normal == product_id)
    if isinstance(outcome, Rejection):
        named = re.match(
            r"product_id has U\+(\w+) at character (\d+) where normal form C has U\+(\w+):", outcome.message
        )
        assert named is not None
        position = int(named[2]) - 1
        assert product_id[:position] == normal[:position]
        assert (ord(product_id[position]), ord(normal[position])) == (int(named[1], 16), int(named[3], 16))
