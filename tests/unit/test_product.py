"""A product and its cached value."""

import inspect
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, Rounded, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.cache_keys import lease_key, value_key
from processor.product import COLUMNS, MAX_VALUE_BYTES, REGISTERS, Product, cached_product

LAST_UPDATED = datetime(2026, 1, 31, 8, 30, 0, 123000, tzinfo=UTC)


def test_the_cached_value() -> None:
    members = json.loads(Product("p", 7, Decimal("19.90"), LAST_UPDATED).to_json())
    assert set(members) == {"product_id", *REGISTERS, "last_updated"}
    assert members == members | {
        "product_id": "p",
        "inventory": 7,
        "price": "19.90",
        "discontinued": False,
        "last_updated": "2026-01-31T08:30:00.123000Z",
    }


def test_a_product_without_a_price() -> None:
    assert json.loads(Product("p", 0, None, LAST_UPDATED).to_json())["price"] is None


def test_times_are_written_in_utc() -> None:
    elsewhere = LAST_UPDATED.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert Product("p", 0, None, elsewhere).to_json() == Product("p", 0, None, LAST_UPDATED).to_json()


@given(
    st.builds(
        Product,
        st.text(min_size=1, max_size=255),
        st.integers(0, 2**31 - 1),
        st.none() | st.decimals(0, Decimal("99999999.99"), places=2),
        st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 the strategy adds it
        st.booleans(),
    )
)
def test_a_product_comes_back_as_it_was_stored(product: Product) -> None:
    for value in (product.to_json(), product.to_json().encode()):
        assert cached_product(product.product_id, value) == product
        assert cached_product(product.product_id + ":lease", value) is None


PRODUCT = Product("p", 7, Decimal("19.90"), LAST_UPDATED, discontinued=True)
STORED = {name: json.dumps(value) for name, value in json.loads(PRODUCT.to_json()).items()}


def cached(**members: str) -> bytes:
    """Return a cached value with the JSON of these members replaced; "" leaves one out."""
    merged = {**STORED, **members}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in merged.items() if value) + "}").encode()


def test_a_complete_value_is_a_product() -> None:
    assert cached_product("p", cached()) == PRODUCT


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a" * 32,
        b"1" * 32,  # leases' tokens are hexadecimal: some are JSON numbers
        b"12345678e90123456789012345678901",
        b"0" * 32,
        b"9" * 5000,
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        cached(product_id='"q"'),
        cached(product_id='["p"]'),
        *[cached(**{name: ""}) for name in STORED],
        *[cached(**{name: "[]"}) for name in STORED],
        *[cached(**{name: "{}"}) for name in STORED],
        *[cached(inventory=value) for value in ("null", "true", "7.0", '"7"', "-1", "2147483648", "NaN")],
        *[cached(price=value) for value in ("5", "19.9", "true", "NaN", "1e9999", "[]", "Infinity")],
        *[cached(price=f'"{value}"') for value in ("", "NaN", "1e9999", "-1", "1.995", "inf")],
        *[cached(price=f'"{value}"') for value in ("100000000.00", "5", "19.9", "1e2", "-0.00", "019.90")],
        *[cached(price=f'"{value}"') for value in ("١٩.٩٠", "19.90\\n")],
        *[cached(discontinued=value) for value in ("null", "0", "1", '"true"')],
        cached(inventory='"many"'),
        *[cached(last_updated=value) for value in ("5", "null", '"2026-01-31"', '"2026-01-31T08:30:00"')],
        *[cached(last_updated=f'"{value}"') for value in ("2026-W05-6T08:30:00Z", "20260131T083000Z")],
        *[
            cached(last_updated=f'"{value}"')
            for value in ("2026-01-31T08:30:00-09:30", "2026-01-31 08:30:00Z")
        ],
        cached().decode().encode("utf-16"),
        cached(last_updated='"0001-01-01T00:00:00+23:59"'),
        cached(price="[" * 100_000),
    ],
)
def test_anything_but_a_value_of_this_product_is_a_miss(value: bytes) -> None:
    assert cached_product("p", value) is None


@pytest.mark.parametrize("context", [Context(prec=3), Context(prec=3, traps=[Inexact, Rounded])])
def test_a_price_is_exact_whatever_the_shops_arithmetic(context: Context) -> None:
    product = Product("p", 7, Decimal("99999999.99"), LAST_UPDATED)
    with localcontext(context):
        assert cached_product("p", product.to_json()) == product


def test_no_value_is_longer_than_the_reader_reads() -> None:
    longest = Product("\U0001f600" * 255, 2_147_483_647, Decimal("99999999.99"), LAST_UPDATED)
    members = json.loads(longest.to_json())
    unused = {name: kind.cached_bytes - len(json.dumps(members[name])) for name, kind in REGISTERS.items()}
    assert unused["inventory"] == unused["price"] == unused["discontinued"] == 0
    assert len(longest.to_json()) + sum(unused.values()) == MAX_VALUE_BYTES


def test_a_value_of_the_previous_release_is_a_miss() -> None:
    assert cached_product("p", cached(discontinued="")) is None


def test_keys() -> None:
    assert (value_key("p"), lease_key("p")) == ("product:p", "lease:p")


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_lease_has_the_key_of_a_value(one: str, other: str) -> None:
    assert lease_key(one) != value_key(other)


def test_a_row_of_the_columns_is_a_product() -> None:
    """The reader selects `COLUMNS` and makes a product of the row by position."""
    assert tuple(inspect.signature(Product).parameters) == COLUMNS
