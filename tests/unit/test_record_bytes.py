"""Schema 1: which bytes are a JSON object, and the messages about those that are not."""

import pytest

from processor.json_object import MAX_BYTES
from tests.support.decoding import accept, event, reject


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
    assert accept(event(price="1.5", colour=ignored)).values == {"inventory": 100, "price": 150}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not json", 'a value is expected at line 1, column 1; found "not json"'),
        (b"{'product_id': 'p'}", "a name in double quotes is expected at line 1, column 2; found …"),
        (b'{"product_id":"p","price":1,}', "a …"),  # Python's versions differ on the place
        (
            b'{"product_id":"p","price":1',
            "a comma or a closing bracket is expected at line 1, column 28; the text ends there",
        ),
        (b'{"product_id":"p","price":', "a value is expected at line 1, column 27; the text ends there"),
        (
            b'{"product_id":"p",\n"price":1 "x":2}',
            'a comma or a closing bracket is expected at line 2, column 11; found "\\"x\\":2}"',
        ),
        (b'{"product_id","price":1}', "a colon is expected at line 1, column 14; found …"),
        (b'{"product_id":"p","price":1}}', 'nothing more is expected at line 1, column 29; found "}"'),
        (
            b'{"product_id":"p","price":1}//',
            'nothing more is expected at line 1, column 29; found "//"',
        ),
        (
            b'{"product_id":"p","price":1}\x00',
            'nothing more is expected at line 1, column 29; found "\\u0000"',
        ),
        (
            b'{"product_id":"p","price":01}',
            'a comma or a closing bracket is expected at line 1, column 28; found "1}"',
        ),
        (b'{"product_id":"p","price":+1}', 'a value is expected at line 1, column 27; found "+1}"'),
        (b'{"product_id":"p","price":.5}', 'a value is expected at line 1, column 27; found ".5}"'),
        (
            b'{"product_id":"p","price":1.}',
            "a comma or a closing bracket is expected at line 1, column 28; found …",
        ),
        (
            b'{"product_id":"p\n","price":1}',
            "a control character in a string is not escaped at line 1, column 17; found …",
        ),
        (
            b'{"product_id":"p\x00","price":1}',
            "a control character in a string is not escaped at line 1, column 17; found …",
        ),
        (
            b'{"product_id":"\\x41","price":1}',
            "a backslash in a string begins no escape at line 1, column 16; found …",
        ),
        (
            b'{"product_id":"\\u41","price":1}',
            "\\u is not followed by four hexadecimal digits at line 1, column 17; found …",
        ),
        (b'{"product_id":"p', 'a string has no closing quote at line 1, column 15; found "\\"p"'),
        (b'\x0c{"product_id":"p","price":1}', "a value is expected at line 1, column 1; found …"),
        (b'\xc2\xa0{"product_id":"p","price":1}', "a value is expected at line 1, column 1; found …"),
        (b"<product/>", "a value is expected at line 1, column 1; found …"),
    ],
)
def test_text_that_is_not_json_is_rejected(data: bytes, message: str) -> None:
    reject(data, "invalid_json", f"not JSON: {message}")


@pytest.mark.parametrize(
    ("data", "byte"),
    [
        (b'{"product_id":"\xff","price":1}', 16),
        (b'{"product_id":"\xed\xa0\x80","price":1}', 16),
        (b'{"product_id":"\xc0\x80","price":1}', 16),
        (b'{"product_id":"p","price":1}\xe2\x82', 29),
        (b"\xff" * 9, 1),
        (b"[[[[[[[[[\xff", 10),
    ],
)
def test_bytes_that_are_not_text_are_rejected(data: bytes, byte: int) -> None:
    reject(data, "invalid_utf8", f"byte {byte} of the record is not UTF-8 (…")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"[]", "an array"),
        (b'[{"product_id":"p","price":1}]', "an array"),
        (b'"text"', "a string"),
        (b"1", "an integer"),
        (b"1.5", "a number"),
        (b"true", "true"),
        (b"null", "null"),
        (b"9" * 5000, "a number"),
    ],
)
def test_json_that_is_not_an_object_is_rejected(data: bytes, kind: str) -> None:
    reject(data, "not_an_object", f"the record is {kind}; a JSON object is accepted")


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
def test_a_duplicate_key_is_rejected(data: str, key: str) -> None:
    reject(data, "duplicate_key", f"the key {key} appears twice; each key is accepted once")


def test_the_same_key_in_two_objects_is_accepted() -> None:
    accept('{"product_id":"p","price":1,"a":{"price":1},"b":[{"price":1},{"price":1}],"Price":1}')


def padded(size_bytes: int) -> bytes:
    """Return a valid record of this size."""
    data = event(price="1").encode()
    return data + b" " * (size_bytes - len(data))


def test_size_boundary() -> None:
    accept(padded(MAX_BYTES))
    reject(padded(MAX_BYTES + 1), "too_large", "the record has 65537 bytes; at most 65536 are accepted")
    reject(b"\xff" * 10**6, "too_large", "the record has 1000000 bytes; at most 65536 are accepted")


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
