"""What one reader does and counts."""

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from processor.cache_commands import CACHE_TIMEOUT_SECONDS, SILENCE_SECONDS
from processor.cache_keys import CACHE_TIME_TO_LIVE_SECONDS, LEASE_SECONDS, lease_key, value_key
from processor.reader import GIVE_BACK_WAIT_SECONDS, CatalogReader
from tests.support.simulated_shop import FakeRedis, ReadPool, Shop, product
from tests.support.simulated_time import simulate


def test_a_miss_is_stored_and_then_hit() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        reader = shop.reader()
        assert await reader.get("x") == await reader.get("x") == product("x", 0)
        assert shop.read == 1
        assert (reader.statistics.misses, reader.statistics.hits, reader.statistics.stores) == (1, 1, 1)
        assert set(shop.redis.values) == {value_key("x")}  # the lease is released
        assert shop.redis.seconds_to_live == {
            value_key("x"): CACHE_TIME_TO_LIVE_SECONDS,
            lease_key("x"): LEASE_SECONDS,
        }

    simulate(scenario())


def test_an_unknown_product_is_none_and_leaves_nothing() -> None:
    async def scenario() -> None:
        shop = Shop()
        assert await shop.reader().get("x") is None
        assert shop.redis.values == {}

    simulate(scenario())


def test_a_reader_without_the_lease_reads_and_stores_nothing() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.redis.values[lease_key("x")] = "another reader's"
        assert await shop.reader().get("x") == product("x", 0)
        assert shop.redis.values == {lease_key("x"): "another reader's"}

    simulate(scenario())


def test_a_refused_store_is_counted() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        reader = shop.reader()

        async def invalidate() -> None:
            shop.redis.values.clear()

        shop.database_turn = invalidate
        assert await reader.get("x") == product("x", 0)
        assert (reader.statistics.stores, reader.statistics.refused_stores) == (0, 1)
        assert shop.redis.values == {}

    simulate(scenario())


@pytest.mark.parametrize("product_id", ["", "x" * 256, "a\0b", "\ud800", "a\udfffb"])
def test_for_an_id_that_no_product_can_have_neither_store_is_read(product_id: str) -> None:
    async def scenario() -> None:
        shop = Shop()
        reader = shop.reader()
        shop.redis.fault = AssertionError("asked")
        assert await reader.get(product_id) is None
        assert shop.read == 0

    simulate(scenario())


@pytest.mark.parametrize("product_id", [None, 7, b"x"])
def test_an_id_that_is_no_text_is_refused(product_id: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(TypeError, match=f"is a str, not {type(product_id).__name__}"):
            await Shop().reader().get(product_id)

    simulate(scenario())


def test_a_longest_id_is_read() -> None:
    async def scenario() -> None:
        longest = "\U0001f34e" * 255
        shop = Shop(longest)
        reader = shop.reader()
        assert await reader.get(longest) == await reader.get(longest) == product(longest, 0)
        assert reader.statistics.hits == 1

    simulate(scenario())


@pytest.mark.parametrize("value", ["1234", "[" * 100_000, '{"product_id": "x"}'])
def test_anything_else_in_the_cache_is_a_miss_and_replaced(value: str) -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.redis.values[value_key("x")] = value
        reader = shop.reader()
        assert await reader.get("x") == await reader.get("x") == product("x", 0)
        assert (reader.statistics.misses, reader.statistics.hits) == (1, 1)

    simulate(scenario())


def test_a_product_named_like_a_lease_is_cached_beside_the_other() -> None:
    async def scenario() -> None:
        shop = Shop("x", "x:lease")
        reader = shop.reader()
        for product_id in ("x:lease", "x", "x:lease", "x"):
            assert await reader.get(product_id) == product(product_id, 0)
        assert (reader.statistics.misses, reader.statistics.hits) == (2, 2)

    simulate(scenario())


@pytest.mark.parametrize(
    "fault", [RedisConnectionError("gone"), ReadOnlyError("replica"), OSError("unreachable"), TimeoutError()]
)
def test_without_the_cache_the_database_is_read(fault: Exception) -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.redis.fault = fault
        reader = shop.reader()
        assert await reader.get("x") == product("x", 0)
        assert reader.statistics.cache_errors == 1, "asked again although it did not answer"
        shop.redis.fault = None
        await asyncio.sleep(SILENCE_SECONDS)
        assert await reader.get("x") == product("x", 0)
        assert reader.statistics.stores == 1

    simulate(scenario())


def test_a_cache_that_hangs_is_waited_for_briefly() -> None:
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        shop = Shop("x")
        shop.redis.turn = hang
        assert await shop.reader().get("x") == product("x", 0)
        assert asyncio.get_running_loop().time() == pytest.approx(CACHE_TIMEOUT_SECONDS)

    simulate(scenario())


def test_without_the_database_a_cached_product_is_returned_and_another_is_an_error() -> None:
    async def database_gone() -> None:
        raise ConnectionRefusedError

    async def scenario() -> None:
        shop = Shop("x", "y")
        shop.cache("x")
        shop.database_turn = database_gone
        assert await shop.reader().get("x") == product("x", 0)
        with pytest.raises(ConnectionRefusedError):
            await shop.reader().get("y")

    simulate(scenario())


@pytest.mark.parametrize("failure", [ConnectionResetError(), TimeoutError()])
def test_a_reader_whose_database_fails_gives_its_lease_back(failure: Exception) -> None:
    async def fail() -> None:
        raise failure

    async def scenario() -> None:
        shop = Shop("x")
        shop.database_turn = fail
        with pytest.raises(type(failure)):
            await shop.reader().get("x")
        assert shop.redis.values == {}

    simulate(scenario())


def test_a_lease_of_another_reader_is_not_given_back() -> None:
    """Check this for a reader whose own lease has expired meanwhile."""

    async def scenario() -> None:
        shop = Shop("x")

        async def lose_the_lease() -> None:
            shop.redis.values[lease_key("x")] = "another reader's"
            raise ConnectionResetError

        shop.database_turn = lose_the_lease
        with pytest.raises(ConnectionResetError):
            await shop.reader().get("x")
        assert shop.redis.values == {lease_key("x"): "another reader's"}

    simulate(scenario())


def test_a_cancelled_reader_does_not_wait_for_a_cache_that_hangs() -> None:
    async def scenario() -> None:
        shop = Shop("x")

        async def everything_hangs() -> None:
            shop.redis.turn = everything_hangs
            await asyncio.get_running_loop().create_future()

        shop.database_turn = everything_hangs
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await shop.reader().get("x")
        assert asyncio.get_running_loop().time() == pytest.approx(0.5 + GIVE_BACK_WAIT_SECONDS)

    simulate(scenario())


def test_a_cancelled_reader_does_not_wait_for_a_database_that_hangs() -> None:
    class SilentPool(ReadPool):
        async def release(self, connection: ReadPool, *, timeout: float) -> None:  # noqa: ASYNC109
            await asyncio.sleep(timeout)
            raise TimeoutError

    async def hang(_: str) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        reader = CatalogReader(cast(Any, SilentPool(hang)), cast(Any, FakeRedis()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reader.get("x")
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    simulate(scenario())


def test_a_row_is_returned_even_if_its_connection_cannot_be_released() -> None:
    class SilentPool(ReadPool):
        async def release(self, connection: ReadPool, *, timeout: float) -> None:  # noqa: ASYNC109
            raise TimeoutError

    async def scenario() -> None:
        shop = Shop("x")
        reader = CatalogReader(cast(Any, SilentPool(shop.fetch)), cast(Any, shop.redis))
        assert await reader.get("x") == product("x", 0)

    simulate(scenario())


def test_tokens_are_never_the_same() -> None:
    tokens: list[str] = []

    async def nothing(_: str) -> None:
        return None

    class Recording(FakeRedis):
        async def set(self, key: str, value: str, **options: Any) -> str | bool | None:
            tokens.append(value)
            return await super().set(key, value, **options)

    async def scenario() -> None:
        for _ in range(100):
            await CatalogReader(cast(Any, ReadPool(nothing)), cast(Any, Recording())).get("x")

    simulate(scenario())
    assert len(set(tokens)) == 100
    assert min(map(len, tokens)) >= 32
