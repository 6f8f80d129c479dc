"""Rules, patches, the editor's file and the queue's messages, without servers."""

import codecs
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.errors import CatalogError
from catalog.repair import editor
from catalog.repair.exact_json import NotJsonError, read_exact, write_exact
from catalog.repair.fixing import NotFixed, fixed, of_patch, of_rule
from catalog.repair.quarantined import Quarantined
from catalog.repair.queue import pointers_of
from catalog.repair.rules import RULES, RuleError, find_rule
from catalog.repair.sending import Sending
from catalog.terminal_text import escaped
from processor.reasons import Fault, Reason
from tests.support.events import ARRIVAL_TIME, record
from tests.support.real_servers import environment_variables

GOOD = b'{"product_id":"a","price":1}'


def quarantined(data: bytes, reason: str = "invalid_price", **identity: Any) -> Quarantined:
    received = record(data, **identity)
    return Quarantined(received, None, reason, "its message", "key", 1, datetime.now(UTC))


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("price: round to 2 decimals", b'{"price":19.995}', b'{"price":20.00}'),
        ("price: round to 2 decimals", b'{"price":"19.985"}', b'{"price":19.99}'),
        ("price: round to 2 decimals", b'{"price":1.0049999999999999999999}', b'{"price":1.00}'),
        ("price: round half even", b'{"price":19.985}', b'{"price":19.98}'),
        ("product_id: trim", b'{"product_id":" a "}', b'{"product_id":"a"}'),
        ("product_id: normalize", b'{"product_id":"e\\u0301"}', '{"product_id":"é"}'.encode()),
        ("product_id: visible", b'{"product_id":"a\\u200bb"}', b'{"product_id":"ab"}'),
        ("inventory: text to number", b'{"inventory":"012"}', b'{"inventory":12}'),
        ("event_time: leave out", b'{"event_time":"soon","price":1.10}', b'{"price":1.10}'),
        ("supplier: leave out", b'{"supplier":7,"price":1}', b'{"price":1}'),
        ("record: byte order mark", codecs.BOM_UTF8 + GOOD, GOOD),
        ("record: gzip", gzip.compress(GOOD, mtime=0), GOOD),
    ],
)
def test_a_rule_mends(rule: str, before: bytes, after: bytes) -> None:
    assert RULES[rule].mend(before) == after


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("price: round to 2 decimals", b'{"price":-0.001}'),
        ("price: round to 2 decimals", b'{"price":0.004}'),
        ("price: round to 2 decimals", b'{"price":1e-999999}'),
        ("price: round half even", b'{"price":0.005}'),
        ("price: round to 2 decimals", b'{"price":true}'),
        ("price: round to 2 decimals", b'{"price":"19,95"}'),
        ("price: round to 2 decimals", b'{"price":" 1.999"}'),
        ("price: round to 2 decimals", b'{"price":"1_0"}'),
        ("price: round to 2 decimals", b'{"price":1e99}'),
        ("price: round to 2 decimals", b'{"price":1e99999999999999999999}'),
        ("price: round to 2 decimals", b'{"price":NaN}'),
        ("price: round to 2 decimals", b'{"price":0.%s}' % (b"1" * 50)),
        ("price: round to 2 decimals", b'{"price":1.999,"price":2}'),
        ("price: round to 2 decimals", b"[1.999]"),
        ("product_id: trim", b'{"product_id":7}'),
        ("inventory: text to number", b'{"inventory":"12.5"}'),
        ("inventory: text to number", '{"inventory":"١٢"}'.encode()),
        ("record: byte order mark", GOOD),
        ("record: gzip", GOOD),
        ("record: gzip", gzip.compress(b"x" * 100_000, mtime=0)),
        ("record: gzip", gzip.compress(GOOD, mtime=0) + b"more"),
    ],
)
def test_a_rule_takes_only_what_it_was_made_for(rule: str, data: bytes) -> None:
    with pytest.raises((RuleError, NotJsonError)):
        RULES[rule].mend(data)


def test_rules_are_found_by_name_and_mend_suppliers_mistakes() -> None:
    assert find_rule("PRICE:round  to 2 decimals") is RULES["price: round to 2 decimals"]
    codes = {code for rule in RULES.values() for code in rule.reasons}
    assert all(Reason(code).fault is Fault.SUPPLIER for code in codes)


@pytest.mark.parametrize("number", ["1.10", "0.1", "12345678901234567890123", "-0.000001", "1E+2"])
def test_numbers_stay_exact(number: str) -> None:
    assert write_exact(read_exact(f'{{"a":[{number}]}}')) == f'{{"a":[{number}]}}'.encode()


def test_a_fixed_record_is_checked_with_its_own_arrival() -> None:
    late = quarantined(b'{"product_id":"a","price":1.999,"event_time":"2026-01-31T09:00:00Z"}')
    outcome = fixed(late, of_rule(RULES["price: round to 2 decimals"].mend))
    assert isinstance(outcome, NotFixed)
    assert outcome.why.startswith("still rejected: event_time_in_future")
    assert ARRIVAL_TIME in outcome.why


def test_a_patch_compares_numbers_by_value() -> None:
    patch = of_patch(
        read_exact(
            '[{"op": "test", "path": "/price", "value": 1.9990}, '
            '{"op": "replace", "path": "/price", "value": 2.00}]'
        )
    )
    outcome = fixed(quarantined(b'{"product_id":"a","price":1.999}'), patch)
    assert isinstance(outcome, Sending)
    assert outcome.record.data == b'{"product_id":"a","price":2.00}'
    other = fixed(quarantined(b'{"product_id":"a","price":1.998}'), patch)
    assert isinstance(other, NotFixed)
    assert other.why.startswith("the patch does not apply")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (quarantined(GOOD, "killed_process"), "it killed its processes"),
        (quarantined(GOOD, "invalid_base64"), "its bytes were never received"),
        (quarantined(GOOD, "bad_aggregate"), "it is a whole aggregate"),
        (quarantined(GOOD, "catalog_refused"), "the archive holds its bytes as accepted"),
        (quarantined(GOOD), "unchanged"),
    ],
)
def test_what_is_not_fixed(found: Quarantined, why: str) -> None:
    outcome = fixed(found, of_rule(lambda data: data))
    assert isinstance(outcome, NotFixed)
    assert outcome.why.startswith(why)


def test_a_patch_leaves_a_record_that_is_nested_too_deeply() -> None:
    patch = of_patch([{"op": "add", "path": "/price", "value": 1}])
    deep = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"
    outcome = fixed(quarantined(deep, "too_deep"), patch)
    assert isinstance(outcome, NotFixed)
    assert outcome.why.startswith(("the patch does not apply", "not JSON"))


def test_an_editor_that_mixes_records_up_changes_nothing() -> None:
    with (
        environment_variables({"EDITOR": "sed -i.bak -e 's/^#: ........../#: 0123456789/'", "VISUAL": ""}),
        pytest.raises(CatalogError, match="a line has the id 0123456789 of another record"),
    ):
        editor.edit([quarantined(GOOD)])


@pytest.mark.parametrize("data", [b"\xff", b"{\n#: 0123456789 x\n}"])
def test_what_no_editor_can_change_is_refused(data: bytes) -> None:
    with environment_variables({"EDITOR": "true", "VISUAL": ""}), pytest.raises(CatalogError):
        editor.edit([quarantined(data)])


def notification(*keys: str) -> str:
    return json.dumps(
        {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}
    )


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (notification("aws/a+b%2Bc%C3%A9"), [("b", "aws/a b+cé")]),
        (notification("1", "2"), [("b", "1"), ("b", "2")]),
        ('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}', []),
        ("{", "the message is not JSON"),
        ("[1]", "the message is not a notification of S3"),
        ('{"Records": [{"s3": 1}]}', "the message is not a notification of S3"),
        ('{"Records": []}', "the message is not a notification of S3"),
    ],
)
def test_a_message_points_to_objects(body: str, pointers: object) -> None:
    assert pointers_of(body) == pointers


@pytest.mark.parametrize(
    ("foreign", "most", "shown"),
    [
        ("a\x1b[31m\u202e", None, "a\\x1b[31m\\u202e"),
        (b"\xff\x00\xc3\xa9", None, "\\xff\\x00é"),
        ("abcdef", 4, "abc…"),
        ("abcd", 4, "abcd"),
        (b"a" * 1_000_000, 4, "aaa…"),
    ],
)
def test_foreign_text_is_escaped(foreign: str | bytes, most: int | None, shown: str) -> None:
    assert escaped(foreign, most) == shown
