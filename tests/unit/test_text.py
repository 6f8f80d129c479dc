"""Registers of kind `text`: accepted and rejected values, and the cached value."""

import json

import pytest

from processor.registers import InvalidValueError, text

NAME = text(5)


@pytest.mark.parametrize("value", ["a", "é", "😀" * 5, "a b", " a ", "\u200d", "a\u00a0b", '"\\'])
def test_accepted(value: str) -> None:
    assert NAME.read(value) == value
    assert NAME.from_cache(json.loads(json.dumps(NAME.to_cache(value)))) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "has 0 characters; 1 to 5 are accepted"),
        ("abcdef", "has 6 characters; 1 to 5 are accepted"),
        ("e\u0301" * 3, "has 6 characters; 1 to 5 are accepted"),
        ("a\0", "holds the control character U+0000 at character 2"),
        ("\n", "holds the control character U+000A at character 1"),
        ("a\x85b", "holds the control character U+0085 at character 2"),
        ("\ud800", "holds the lone surrogate U+D800 at character 1"),
        (
            "xe\u0301",
            'has U+0065 at character 2 where normal form C has U+00E9: "xe\\u0301"; '
            "Unicode normal form C is accepted",
        ),
        (7, "is 7; a string is accepted"),
        (True, "is true; a string is accepted"),
        (None, "is null; a string is accepted"),
        (["a"], "is an array; a string is accepted"),
    ],
)
def test_rejected(value: object, message: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        NAME.read(value)
    assert str(refused.value) == message
    if value is not None:
        with pytest.raises(InvalidValueError):
            NAME.from_cache(value)


def test_none_until_it_is_set() -> None:
    assert NAME.to_cache(None) is None
    assert NAME.from_cache(None) is None


def test_the_longest_text_fits_into_cached_bytes() -> None:
    assert len(json.dumps("😀" * 5)) == NAME.cached_bytes
