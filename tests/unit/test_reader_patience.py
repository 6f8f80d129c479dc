"""How long a reader waits for a cache that is silent or slow, and for a database that is slow to log in."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from processor.cache_commands import (
    CACHE_TIMEOUT_SECONDS,
    MAX_CACHE_COMMANDS,
    SILENCE_SECONDS,
    TURN_TIMEOUT_SECONDS,
)
from processor.cache_keys import lease_key
from processor.reader import CONNECT_TIMEOUT_SECONDS, CatalogReader
from tests.support.simulated_shop import ConnectionPool, FakeRedis, ReadPool, Row, Shop, product
from tests.support.simulated_time import hold_up, simulate

LIMIT_SECONDS = 0.5


async def hang() -> None:
    await asyncio.get_running_loop().create_future()


def taking(seconds: float) -> Callable[[], Awaitable[None]]:
    """Return a turn that takes this long."""
    return lambda: asyncio.sleep(seconds)


async def read_in_time(reader: CatalogReader, count: int = 1) -> Counter[str]:
    """Return how many concurrent reads end in which way, each within the caller's limit."""

    async def read() -> str:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                assert await reader.get("x") == product("x", 0)
                return "answered"
        except TimeoutError:
            return "timed out"

    return Counter(await asyncio.gather(*(read() for _ in range(count))))


def test_with_a_silent_cache_every_reader_reads_the_database() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.database_turn = taking(0.001)
        shop.redis.turn = hang
        reader = shop.reader()
        for _ in range(5):
            assert await read_in_time(reader, 300) == {"answered": 300}

    simulate(scenario())


def test_a_silent_cache_gets_one_command_at_a_time_until_it_answers() -> None:
    asked = 0

    async def hang_and_count() -> None:
        nonlocal asked
        asked += 1
        await hang()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        shop = Shop("x")
        shop.database_turn = taking(0.001)
        shop.cache("x")
        shop.redis.turn = hang_and_count
        reader = shop.reader()
        await reader.get("x")
        began = loop.time()
        while loop.time() - began < 10 * SILENCE_SECONDS:
            await read_in_time(reader, 20)
        assert asked <= 11
        shop.redis.turn = taking(0.001)
        await asyncio.sleep(SILENCE_SECONDS)
        await read_in_time(reader)
        reader.statistics.hits = 0
        await read_in_time(reader, 100)
        assert reader.statistics.hits == 100

    simulate(scenario())


def test_one_dead_connection_does_not_mean_that_the_cache_is_silent() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.cache("x")
        reader = shop.reader()
        shop.redis.turn = hang
        reading = asyncio.create_task(read_in_time(reader))
        await asyncio.sleep(0.1)
        shop.redis.turn = taking(0.001)
        await read_in_time(reader)
        await reading
        await read_in_time(reader, 10)
        assert (reader.statistics.hits, reader.statistics.cache_errors) == (11, 1)

    simulate(scenario())


def test_all_commands_of_a_read_have_one_limit() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.database_turn = taking(0)
        shop.redis.turn = taking(0.2)
        assert await shop.reader().get("x") == product("x", 0)
        # Before it returns, it waits a moment until its lease is given back.
        assert asyncio.get_running_loop().time() < CACHE_TIMEOUT_SECONDS + 0.11
        await asyncio.sleep(1)
        assert shop.redis.values == {}, "the lease was not given back"

    simulate(scenario())


def test_a_slow_cache_serves_as_many_as_it_can_and_the_database_the_others() -> None:
    """Check also that commands of readers that gave up run to their end: no connection is dropped."""
    begun = ended = most = 0

    async def slow() -> None:
        nonlocal begun, ended, most
        begun += 1
        most = max(most, begun - ended)
        await asyncio.sleep(0.1)
        ended += 1

    async def scenario() -> None:
        shop = Shop("x")
        shop.cache("x")
        shop.database_turn = taking(0.001)
        shop.redis.turn = slow
        reader = shop.reader()
        for _ in range(20):
            assert await read_in_time(reader, 300) == {"answered": 300}
        assert most == MAX_CACHE_COMMANDS
        assert reader.statistics.hits > 10 * MAX_CACHE_COMMANDS
        reading = [asyncio.create_task(reader.get("x")) for _ in range(MAX_CACHE_COMMANDS)]
        await asyncio.sleep(0.05)
        for task in reading:
            task.cancel()
        await asyncio.sleep(0.1)
        assert begun == ended

    simulate(scenario())


def test_after_silence_idle_connections_are_dropped_not_tried_one_by_one() -> None:
    dropped: list[bool] = []

    class Recording(ConnectionPool):
        async def disconnect(self, *, inuse_connections: bool) -> None:
            dropped.append(not inuse_connections)

    async def scenario() -> None:
        shop = Shop("x")
        shop.database_turn = taking(0.001)
        redis = FakeRedis(hang)
        redis.connection_pool = Recording()
        reader = CatalogReader(cast(Any, ReadPool(shop.fetch)), cast(Any, redis))
        assert await reader.get("x") == product("x", 0)
        await asyncio.sleep(0)
        assert dropped == [True]

    simulate(scenario())


def test_a_reader_that_gets_no_turn_soon_leaves_the_cache_to_the_others() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        shop.database_turn = taking(0.001)
        shop.redis.turn = hang
        reader = shop.reader()
        reading = [asyncio.create_task(reader.get("x")) for _ in range(300)]
        await asyncio.sleep(TURN_TIMEOUT_SECONDS + 0.05)
        assert 200 < sum(task.done() for task in reading) < 300
        await asyncio.gather(*reading)

    simulate(scenario())


def test_a_busy_process_does_not_make_the_cache_seem_slow() -> None:
    async def busy() -> None:
        for _ in range(80):
            hold_up(0.012)
            await asyncio.sleep(0)

    async def scenario() -> None:
        shop = Shop("x")
        shop.cache("x")
        shop.redis.turn = busy
        reader = shop.reader()
        await reader.get("x")
        assert (reader.statistics.hits, reader.statistics.cache_errors) == (1, 0)

    simulate(scenario())


@pytest.mark.parametrize("turn", [taking(0.1), hang], ids=["slow", "silent"])
def test_a_closed_reader_leaves_no_task(turn: Callable[[], Awaitable[None]]) -> None:
    """Check also that it leaves no lease if the cache answers."""

    async def scenario() -> None:
        shop = Shop("x")
        reader = shop.reader()
        shop.database_turn = hang
        reading = asyncio.create_task(reader.get("x"))
        await asyncio.sleep(0.01)
        assert lease_key("x") in shop.redis.values
        shop.redis.turn = turn
        reading.cancel()
        await reader.aclose()
        await asyncio.wait({reading})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (lease_key("x") in shop.redis.values) == (turn is hang)

    simulate(scenario())


class SlowLogin(ReadPool):
    """A pool of one connection that takes a while to connect."""

    def __init__(self, read: Callable[[str], Awaitable[Row | None]], seconds: float) -> None:
        super().__init__(read)
        self.seconds = seconds
        self.given = 0
        self._turn = asyncio.Semaphore(1)

    async def acquire(self) -> ReadPool:
        await self._turn.acquire()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self._turn.release()
            raise
        self.seconds = 0
        self.given += 1
        return self

    async def release(self, connection: ReadPool, *, timeout: float) -> None:  # noqa: ASYNC109
        self.given -= 1
        self._turn.release()


def test_a_login_that_takes_longer_than_a_reader_waits_serves_the_next() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        pool = SlowLogin(shop.fetch, 0.8)
        reader = CatalogReader(cast(Any, pool), cast(Any, shop.redis))
        assert await read_in_time(reader) == {"timed out": 1}
        assert await read_in_time(reader) == {"answered": 1}
        assert pool.given == 0

    simulate(scenario())


def test_a_login_that_never_ends_is_given_up() -> None:
    async def scenario() -> None:
        shop = Shop("x")
        pool = SlowLogin(shop.fetch, 3600)
        reader = CatalogReader(cast(Any, pool), cast(Any, shop.redis))
        assert await read_in_time(reader) == {"timed out": 1}
        pool.seconds = 0
        await asyncio.sleep(CONNECT_TIMEOUT_SECONDS)
        assert await read_in_time(reader) == {"answered": 1}

    simulate(scenario())


@pytest.mark.parametrize("answers", [1, 2], ids=["lease answered", "lease asked for again"])
def test_a_lease_that_was_requested_twice_is_the_readers_own(answers: int) -> None:
    """Check this because redis-py sends a command again if its answer is lost."""

    class Losing(FakeRedis):
        async def set(self, key: str, value: str, **options: Any) -> str | bool | None:
            for _ in range(answers):
                reply = await super().set(key, value, **options)
            return reply

    async def scenario() -> None:
        shop = Shop("x")
        redis = Losing()
        reader = CatalogReader(cast(Any, ReadPool(shop.fetch)), cast(Any, redis))
        await reader.get("x")
        assert reader.statistics.stores == 1
        assert lease_key("x") not in redis.values

    simulate(scenario())
