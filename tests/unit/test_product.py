"""How the cache holds a product."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.product import Product, cached_product, lease_key, value_key

LAST_UPDATED = datetime(2026, 1, 31, 8, 30, 0, 123000, tzinfo=UTC)


def test_the_cached_value() -> None:
    assert json.loads(Product("p", 7, Decimal("19.90"), LAST_UPDATED).to_json()) == {
        "product_id": "p",
        "inventory": 7,
        "price": "19.90",
        "last_updated": "2026-01-31T08:30:00.123000Z",
    }


def test_a_product_without_a_price() -> None:
    assert json.loads(Product("p", 0, None, LAST_UPDATED).to_json())["price"] is None


def test_times_are_told_in_utc() -> None:
    elsewhere = LAST_UPDATED.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert Product("p", 0, None, elsewhere).to_json() == Product("p", 0, None, LAST_UPDATED).to_json()


@given(
    st.builds(
        Product,
        st.text(min_size=1, max_size=255),
        st.integers(0, 2**31 - 1),
        st.none() | st.decimals(0, Decimal("99999999.99"), places=2),
        st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 the strategy adds it
    )
)
def test_a_product_comes_back_as_it_was_stored(product: Product) -> None:
    for value in (product.to_json(), product.to_json().encode()):
        assert cached_product(product.product_id, value) == product
        assert cached_product(product.product_id + ":lease", value) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a" * 32,
        b"1" * 32,  # leases' tokens are hexadecimal: some are JSON numbers
        b"12345678e90123456789012345678901",
        b"0" * 32,
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b"\xff",
        b'{"product_id":"p"}',
        b'{"product_id":"p","inventory":1,"price":"cheap","last_updated":"2026-01-31T08:30:00Z"}',
        b'{"product_id":"p","inventory":1,"price":"1","last_updated":"yesterday"}',
        b'{"product_id":"p","inventory":1,"price":"1","last_updated":5}',
        b'{"product_id":"q","inventory":1,"price":"1","last_updated":"2026-01-31T08:30:00Z"}',
    ],
)
def test_what_is_no_value_of_this_product_is_a_miss(value: bytes) -> None:
    assert cached_product("p", value) is None


def test_keys() -> None:
    assert (value_key("p"), lease_key("p")) == ("product:p", "lease:p")


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_lease_has_the_key_of_a_value(one: str, other: str) -> None:
    assert lease_key(one) != value_key(other)
