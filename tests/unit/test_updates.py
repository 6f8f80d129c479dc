"""Schema 1: records as a whole, and their supplier."""

import json

import pytest

from processor.product import REGISTERS
from processor.reasons import Reason
from processor.records import Defect
from processor.updates import Rejection, decode
from tests.support.decoding import accept, event, reject
from tests.support.events import record


def test_the_reference_event_is_valid() -> None:
    update = accept('{"product_id": "product123", "inventory": 100, "price": 29.99}')
    assert update[:2] == ("product123", {"inventory": 100, "price": 2999})
    assert update.supplier is None
    assert update.version.startswith("2026-01-31T08:30:00.123000Z ")


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"inventory": "", "price": "5"}, {"price": 500}),
        ({}, {"inventory": 100}),
        ({"price": "5"}, {"inventory": 100, "price": 500}),
        ({"inventory": "", "discontinued": "true"}, {"discontinued": True}),
    ],
)
def test_a_missing_field_is_left_alone(fields: dict[str, str], values: dict[str, object]) -> None:
    assert accept(event(**fields)).values == values


def test_an_update_updates_something() -> None:
    names = ", ".join(f'"{name}"' for name in REGISTERS)
    reject('{"product_id": "p"}', "nothing_to_update", f"none of {names}; at least one is needed")


def test_a_defect_found_before_decoding_is_the_reason() -> None:
    broken = record(event())._replace(defect=Defect(Reason.INVALID_BASE64, "no base64"))
    assert decode(broken) == Rejection(broken, Reason.INVALID_BASE64, "no base64", None)


@pytest.mark.parametrize(
    "data",
    [
        b'{"product_id":"a","price":1,"inventory":2}',
        b' \t\r\n{ "inventory" : 2 , "price":1,\n"product_id":"a"}\n\n',
        rb'{"p\u0072ice":1,"inventory":2,"product_id":"\u0061"}',
    ],
)
def test_order_spelling_and_white_space_between_members_do_not_matter(data: bytes) -> None:
    assert accept(data)[:2] == ("a", {"inventory": 2, "price": 100})


def test_schema_version_1_is_accepted() -> None:
    accept(event(schema_version="1"))


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("2", "2"),
        ("0", "0"),
        ("-1", "-1"),
        ("1.0", "1.0"),
        ('"1"', '"1"'),
        ("true", "true"),
        ("null", "null"),
        ("[1]", "an array"),
        ("{}", "an object"),
        ("9" * 5000, "9" * 60 + "… (5000 characters)"),
    ],
)
def test_another_schema_version_is_rejected(version: str, shown: str) -> None:
    reject(event(schema_version=version), "unknown_schema", f"schema_version is {shown}; 1 is accepted")


@pytest.mark.parametrize("supplier", ["a", "a" * 64, "é" * 64, "Acme & Söhne", " "])
def test_supplier_accepted(supplier: str) -> None:
    assert accept(event(supplier=json.dumps(supplier))).supplier == supplier


@pytest.mark.parametrize(
    ("supplier", "message"),
    [
        ('""', "supplier has 0 characters; 1 to 64 are accepted"),
        (f'"{"s" * 65}"', "supplier has 65 characters; 1 to 64 are accepted"),
        ("null", "supplier is null; a string is accepted"),
        ("7", "supplier is an integer; a string is accepted"),
        ("7.0", "supplier is a number; a string is accepted"),
        ("false", "supplier is false; a string is accepted"),
        ('["acme"]', "supplier is an array; a string is accepted"),
        ('{"name":"acme"}', "supplier is an object; a string is accepted"),
    ],
)
def test_supplier_rejected(supplier: str, message: str) -> None:
    assert reject(event(supplier=supplier), "invalid_supplier", message).supplier is None


@pytest.mark.parametrize(
    ("data", "reason", "supplier"),
    [
        ('{"supplier":"acme","product_id":"p"}', "nothing_to_update", "acme"),
        ('{"supplier":"acme","product_id":"p","inventory":-1}', "invalid_inventory", "acme"),
        ('{"supplier":"acme","schema_version":2}', "unknown_schema", "acme"),
        ('{"supplier":7,"product_id":""}', "invalid_product_id", None),
        ('{"supplier":7.5,"product_id":""}', "invalid_product_id", None),
        ('{"supplier":"acme"', "invalid_json", None),
    ],
)
def test_a_rejection_has_the_supplier_if_that_is_readable(
    data: str, reason: str, supplier: str | None
) -> None:
    assert reject(data, reason).supplier == supplier
