"""Invariant I4: whatever the order in which readers and the pipeline act, nothing stale stays cached."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from processor.product import TIME_TO_LIVE_SECONDS, Product, cached_product, lease_key, value_key
from processor.reader import CACHE_TIMEOUT_SECONDS, LEASE_SECONDS, CatalogReader
from tests.simulated_time import simulate

Turn: TypeAlias = Callable[[], Awaitable[None]]


async def _at_once() -> None:
    pass


class FakeRedis:
    """The commands the reader and the pipeline send, each done at once when its turn has come."""

    def __init__(self, turn: Turn = _at_once) -> None:
        self.turn = turn
        self.values: dict[str, str] = {}
        self.seconds_to_live: dict[str, object] = {}
        self.fault: Exception | None = None

    async def get(self, key: str) -> bytes | None:
        await self._answer()
        return self._get(key)

    async def set(self, key: str, value: str, *, nx: bool, ex: int) -> bool | None:
        assert nx
        await self._answer()
        if key in self.values:
            return None
        self._set(key, value, ex)
        return True

    async def unlink(self, *keys: str) -> None:
        await self._answer()
        for key in keys:
            self.values.pop(key, None)

    def register_script(self, source: str) -> Callable[..., Coroutine[Any, Any, int]]:
        async def run(*, keys: list[str], args: list[object]) -> int:
            await self._answer()
            return self._run(source, keys, [str(argument) for argument in args])

        return run

    async def _answer(self) -> None:
        await self.turn()
        if self.fault is not None:
            raise self.fault

    def _get(self, key: str) -> bytes | None:
        value = self.values.get(key)
        return None if value is None else value.encode()

    def _set(self, key: str, value: str, seconds: object) -> None:
        self.values[key] = value
        self.seconds_to_live[key] = int(str(seconds))

    def _run(self, source: str, keys: Sequence[str], args: Sequence[str]) -> int:
        """As much of Lua as the reader's script is written in."""

        def value_of(text: str) -> str:
            if held := re.fullmatch(r"(KEYS|ARGV)\[(\d)\]", text):
                return (keys if held[1] == "KEYS" else args)[int(held[2]) - 1]
            return text.strip("'")

        def call(arguments: str) -> str | None:
            return self._call(*(value_of(one.strip()) for one in arguments.split(",")))

        for line in source.strip().splitlines():
            if guard := re.fullmatch(r"if redis\.call\((.+)\) ~= (\S+) then return (\d+) end", line):
                if call(guard[1]) != value_of(guard[2]):
                    return int(guard[3])
            elif called := re.fullmatch(r"redis\.call\((.+)\)", line):
                call(called[1])
            elif returned := re.fullmatch(r"return (\d+)", line):
                return int(returned[1])
            else:
                raise AssertionError(f"the fake cannot read {line!r}")
        raise AssertionError("the script returns nothing")

    def _call(self, *command: str) -> str | None:
        match command:
            case "GET", key:
                return self.values.get(key)
            case "SET", key, value, "EX", seconds:
                self._set(key, value, seconds)
            case "DEL", key:
                self.values.pop(key, None)
            case _:
                raise AssertionError(f"the fake knows no {command}")
        return None


def product(product_id: str, inventory: int) -> Product:
    return Product(product_id, inventory, Decimal("1.50"), datetime(2026, 1, 31, tzinfo=UTC))


class FakePool:
    """The rows; `read` counts how often they were asked for."""

    def __init__(self, turn: Turn = _at_once) -> None:
        self.turn = turn
        self.rows: dict[str, Product] = {}
        self.read = 0

    async def fetchrow(self, _statement: str, product_id: str) -> tuple[object, ...] | None:
        await self.turn()
        self.read += 1
        row = self.rows.get(product_id)
        return None if row is None else (row.product_id, row.inventory, row.price, row.last_updated)


class Shop:
    """A catalog and its cache with one product of each name."""

    def __init__(self, *product_ids: str, turn: Turn = _at_once) -> None:
        self.turn = turn
        self.pool = FakePool(turn)
        self.redis = FakeRedis(turn)
        self.tokens = 0
        for product_id in product_ids:
            self.pool.rows[product_id] = product(product_id, 0)

    def reader(self) -> CatalogReader:
        def new_token() -> str:
            self.tokens += 1
            return f"token {self.tokens}"

        return CatalogReader(cast(Any, self.pool), cast(Any, self.redis), new_token=new_token)

    async def get(self, *product_ids: str) -> None:
        """A reader reads these one after the other."""
        reader = self.reader()
        for product_id in product_ids:
            found = await reader.get(product_id)
            assert found is not None
            assert found.product_id == product_id

    async def update(self, product_id: str, *inventories: int) -> None:
        """The pipeline commits, then invalidates; for each of these values."""
        for inventory in inventories:
            await self.turn()
            self.pool.rows[product_id] = product(product_id, inventory)
            await self.redis.unlink(value_key(product_id), lease_key(product_id))

    async def lose(self, *keys: str) -> None:
        """The cache evicts these keys, or they expire."""
        for key in keys:
            await self.turn()
            self.redis.values.pop(key, None)

    def cache(self, product_id: str) -> None:
        """The product has been read before."""
        self.redis.values[value_key(product_id)] = self.pool.rows[product_id].to_json()

    def check_nothing_stale(self) -> None:
        for product_id, row in self.pool.rows.items():
            value = self.redis.values.get(value_key(product_id))
            if value is not None and (cached := cached_product(product_id, value)) is not None:
                assert cached == row


# --- every interleaving

Story: TypeAlias = Callable[[Shop], Sequence[Coroutine[Any, Any, None]]]


class Interleaving:
    """Lets one actor at a time do one step; who, is chosen by `choices`, then by the first that may."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = choices
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self.options: list[int] = []

    async def turn(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        mine = self._waiting[task.get_name()] = asyncio.get_running_loop().create_future()
        await mine

    async def play(self, actors: Sequence[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.create_task(actor, name=f"{place}") for place, actor in enumerate(actors)]
        while True:
            while len(self._waiting) + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110 steps
                await asyncio.sleep(0)  # until nobody can go on without a turn
            if not self._waiting:
                break
            step = len(self.options)
            choice = self._choices[step] % len(self._waiting) if step < len(self._choices) else 0
            self.options.append(len(self._waiting))
            self._waiting.pop(sorted(self._waiting)[choice]).set_result(None)
        for task in tasks:
            task.result()


async def play(
    story: Story, products: Sequence[str], cached: Sequence[str], choices: Sequence[int]
) -> list[int]:
    """One interleaving of a story; how many could have acted at each step."""
    interleaving = Interleaving(choices)
    shop = Shop(*products, turn=interleaving.turn)
    for product_id in cached:
        shop.cache(product_id)
    await interleaving.play(story(shop))
    shop.check_nothing_stale()
    return interleaving.options


async def play_all(story: Story, products: Sequence[str], cached: Sequence[str]) -> int:
    """All interleavings of a story; their number."""
    played = 0
    choices: list[int] = []
    while True:
        options = await play(story, products, cached, choices)
        played += 1
        choices += [0] * (len(options) - len(choices))
        while choices and choices[-1] + 1 == options[len(choices) - 1]:
            choices.pop()
        if not choices:
            return played
        choices[-1] += 1


STORIES: Final[dict[str, tuple[int, list[str], Story]]] = {
    "a reader and an update": (15, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1)]),
    "a reader and two updates": (70, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1, 2)]),
    "a reader and two pipelines": (
        420,
        ["x"],
        lambda shop: [shop.get("x"), shop.update("x", 1), shop.update("x", 2)],
    ),
    "a reader who comes again": (20, ["x"], lambda shop: [shop.get("x", "x"), shop.update("x", 1)]),
    "two readers and an update": (
        1_000,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update("x", 1)],
    ),
    "the cache forgets": (
        420,
        ["x"],
        lambda shop: [
            shop.get("x"),
            shop.update("x", 1),
            shop.lose(lease_key("x"), value_key("x")),
        ],
    ),
    "the lease expires": (
        250,
        ["x"],
        lambda shop: [shop.get("x", "x"), shop.update("x", 1), shop.lose(lease_key("x"))],
    ),
    "a product called like a lease, updated": (
        1_000,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x:lease", 1)],
    ),
    "a product beside one called like its lease, updated": (
        1_000,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x", 1)],
    ),
}


@pytest.mark.parametrize(("at_least", "products", "story"), STORIES.values(), ids=STORIES)
def test_in_no_interleaving_a_stale_value_stays_cached(
    at_least: int, products: list[str], story: Story
) -> None:
    assert simulate(play_all(story, products, [])) >= at_least
    simulate(play_all(story, products, products))


@settings(max_examples=200)
@given(
    choices=st.lists(st.integers(0, 11), max_size=60),
    cached=st.lists(st.sampled_from(["x", "x:lease"]), unique=True),
)
def test_in_a_busy_shop_no_stale_value_stays_cached(choices: list[int], cached: list[str]) -> None:
    def story(shop: Shop) -> Sequence[Coroutine[Any, Any, None]]:
        return [
            shop.get("x", "x:lease", "x"),
            shop.get("x", "x"),
            shop.get("x:lease", "x"),
            shop.update("x", 1, 2),
            shop.update("x", 3),
            shop.update("x:lease", 4),
            shop.lose(lease_key("x"), value_key("x")),
        ]

    simulate(play(story, ["x", "x:lease"], cached, choices))


# --- one reader


def test_a_miss_is_stored_and_then_hit() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        reader = shop.reader()
        assert await reader.get("x") == await reader.get("x") == product("x", 0)
        assert shop.pool.read == 1
        assert (reader.statistics.misses, reader.statistics.hits, reader.statistics.stores) == (1, 1, 1)
        assert set(shop.redis.values) == {value_key("x")}  # the lease is given back
        assert shop.redis.seconds_to_live == {
            value_key("x"): TIME_TO_LIVE_SECONDS,
            lease_key("x"): LEASE_SECONDS,
        }

    simulate(scenario())


def test_a_product_nobody_has_is_none_and_not_cached() -> None:
    async def scenario() -> None:
        shop = Shop()
        assert await shop.reader().get("x") is None
        assert value_key("x") not in shop.redis.values

    simulate(scenario())


def test_who_gets_no_lease_reads_and_stores_nothing() -> None:
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

        shop.pool.turn = invalidate
        assert await reader.get("x") == product("x", 0)
        assert (reader.statistics.stores, reader.statistics.refused_stores) == (0, 1)
        assert shop.redis.values == {}

    simulate(scenario())


def test_what_stands_in_the_cache_but_is_no_value_is_a_miss() -> None:
    async def scenario() -> None:
        shop = Shop("x:lease")
        shop.redis.values[lease_key("x")] = "1234"
        assert await shop.reader().get("x:lease") == product("x:lease", 0)

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


def test_without_the_database_a_cached_product_is_told_and_another_is_an_error() -> None:
    async def database_gone() -> None:
        raise ConnectionRefusedError

    async def scenario() -> None:
        shop = Shop("x", "y")
        shop.cache("x")
        shop.pool.turn = database_gone
        assert await shop.reader().get("x") == product("x", 0)
        with pytest.raises(ConnectionRefusedError):
            await shop.reader().get("y")

    simulate(scenario())


def test_tokens_are_never_the_same() -> None:
    shop = Shop("x")
    tokens: list[str] = []

    class Recording(FakeRedis):
        async def set(self, key: str, value: str, *, nx: bool, ex: int) -> bool | None:
            tokens.append(value)
            return await super().set(key, value, nx=nx, ex=ex)

    async def scenario() -> None:
        for _ in range(100):
            await CatalogReader(cast(Any, shop.pool), cast(Any, Recording())).get("x")

    simulate(scenario())
    assert len(set(tokens)) == 100
    assert min(map(len, tokens)) >= 32
