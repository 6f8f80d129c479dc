"""Schema 1: which bytes are a JSON object that is read, and what is said of those that are none."""

import pytest

from processor.updates import MAX_BYTES
from tests.verdicts import accept, event, reject


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
        (
            b'{"product_id":"p\n","price":1}',
            "invalid_json",
            "not JSON: Invalid control character at line 1, column 17",
        ),
        (
            b'{"product_id":"p',
            "invalid_json",
            "not JSON: Unterminated string starting at line 1, column 15",
        ),
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
