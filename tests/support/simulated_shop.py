"""A shop whose readers and pipeline use a cache and a catalog in memory, one step at a time."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from processor.adapters.cache import RedisCache
from processor.cache_keys import value_key
from processor.pending_invalidations import drain_page
from processor.ports import PendingInvalidation
from processor.product import Product, cached_product
from processor.reader import CatalogReader
from tests.support.fakes import FakeClock

Turn: TypeAlias = Callable[[], Awaitable[None]]
Told: TypeAlias = Callable[[object], object]
Row: TypeAlias = Sequence[object]

# The script by which readers of the previous release store a value.
_OLD_STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""


async def at_once() -> None:
    """Wait for nothing: a turn that comes immediately."""


def product(product_id: str, inventory: int) -> Product:
    """Return a product as the catalog has it."""
    return Product(product_id, inventory, Decimal("1.50"), datetime(2026, 1, 31, tzinfo=UTC))


class ReadPool:
    """The parts of a pool that a reader needs; `read` returns a product's row."""

    def __init__(self, read: Callable[[str], Awaitable[Row | None]]) -> None:
        self._read = read

    async def acquire(self) -> "ReadPool":
        return self

    def get_max_size(self) -> int:
        return 2

    async def fetchrow(self, _statement: str, product_id: str) -> Row | None:
        return await self._read(product_id)

    async def release(self, connection: "ReadPool", *, timeout: float) -> None:  # noqa: ASYNC109 asyncpg's
        assert connection is self
        assert timeout > 0


@dataclass(frozen=True)
class ConnectionPool:
    """A pool that always has enough connections."""

    max_connections: int = 100

    async def get_connection(self) -> None:
        pass

    async def release(self, connection: None) -> None:
        pass

    async def disconnect(self, *, inuse_connections: bool) -> None:
        pass


class FakeRedis:
    """The commands that the reader and the pipeline send, each run when its turn comes.

    `answer_turn` comes between a command and its response; `told` hears each response.
    """

    connection_pool = ConnectionPool()

    def __init__(self, turn: Turn = at_once, answer_turn: Turn = at_once) -> None:
        self.turn = turn
        self.told: Told = lambda _: None
        self.answer_turn = answer_turn
        self.values: dict[str, str] = {}
        self.seconds_to_live: dict[str, object] = {}
        self.fault: Exception | None = None

    async def getrange(self, key: str, start: int, end: int) -> bytes:
        await self._begin()
        value = self.values.get(key, "").encode()[start : end + 1]
        self.told(value)
        await self.answer_turn()
        return value

    async def set(self, key: str, value: str, *, nx: bool, ex: int, get: bool = False) -> str | bool | None:
        assert nx
        await self._begin()
        before = self.values.get(key)
        if before is None:
            self._set(key, value, ex)
        self.told(before)
        await self.answer_turn()
        if get:
            return before
        return True if before is None else None

    def pipeline(self, *, transaction: bool) -> "Pipeline":
        assert not transaction
        return Pipeline(self)

    async def unlink(self, *keys: str) -> None:
        await self._begin()
        for key in keys:
            self.values.pop(key, None)

    def register_script(self, source: str) -> Callable[..., Coroutine[Any, Any, int]]:
        async def run(*, keys: list[str], args: list[object]) -> int:
            await self._begin()
            returned = self._run(source, keys, [str(argument) for argument in args])
            self.told(returned)
            await self.answer_turn()
            return returned

        return run

    async def _begin(self) -> None:
        await self.turn()
        if self.fault is not None:
            raise self.fault

    def _set(self, key: str, value: str, seconds: object) -> None:
        self.values[key] = value
        self.seconds_to_live[key] = int(str(seconds))

    def _run(self, source: str, keys: Sequence[str], args: Sequence[str]) -> int:
        """Run the subset of Lua that the reader's scripts use."""

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
                raise AssertionError(f"the fake does not know {command}")
        return None


class Pipeline:
    """Deletions that are sent together."""

    def __init__(self, redis: FakeRedis) -> None:
        self._redis = redis
        self._keys: list[str] = []

    async def __aenter__(self) -> "Pipeline":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def unlink(self, *keys: str) -> None:
        self._keys += keys

    async def execute(self) -> None:
        await self._redis.unlink(*self._keys)


class PendingInvalidations:
    """The part of the catalog that a drain uses, on a shop; only one drain at a time."""

    def __init__(self, shop: "Shop") -> None:
        self._shop = shop
        self._drains = False

    async def pending_invalidations(self, limit: int) -> list[PendingInvalidation] | None:
        await self._shop.turn()
        if self._shop.drains:
            self._shop.redis.told(None)
            return None
        self._shop.drains = self._drains = True
        found = [PendingInvalidation(id_, name) for name, id_ in self._shop.pending.items()]
        self._shop.redis.told(tuple(found))
        return found[:limit]

    async def remove_pending_invalidations(self, pending: Sequence[PendingInvalidation]) -> int:
        await self._shop.turn()
        for one in pending:
            if self._shop.is_pending(one):
                del self._shop.pending[one.product_id]
        return len(pending)

    async def end_drain(self) -> None:
        await self._shop.turn()
        if self._drains:
            self._shop.drains = False


class Shop:
    """A catalog and its cache with one product per id; `read` counts how often a row was read."""

    new_redis = FakeRedis

    def __init__(self, *product_ids: str, turn: Turn = at_once) -> None:
        self.turn = turn
        self.database_turn: Turn | None = None
        self.redis = self.new_redis(turn)
        self.rows = {product_id: product(product_id, 0) for product_id in product_ids}
        self.read = 0
        self.pending: dict[str, int] = {}
        self.drains = False
        self._readers = itertools.count(1)
        self._ids = itertools.count(1)
        self._leaving: dict[str, asyncio.Task[Any] | None] = {}

    def reader(self) -> CatalogReader:
        """Return a new reader."""
        return CatalogReader(
            cast(Any, ReadPool(self.fetch)), cast(Any, self.redis), new_token=self._new_tokens().__next__
        )

    async def get(self, *product_ids: str) -> None:
        """Read these products one after another, with one reader."""
        reader = self.reader()
        for product_id in product_ids:
            found = await reader.get(product_id)
            assert found is not None
            assert found.product_id == product_id

    async def get_until_cancelled(self, product_id: str) -> None:
        """Read a product, unless `cancel` comes first, perhaps while a response is on its way."""
        self.redis.answer_turn = self.turn
        self._leaving[product_id] = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await self.reader().get(product_id)
        self._leaving[product_id] = None

    async def cancel(self, product_id: str) -> None:
        """Cancel the reader of `get_until_cancelled`."""
        await self.turn()
        if (leaving := self._leaving[product_id]) is not None:
            leaving.cancel()

    async def get_as_the_release_before(self, product_id: str) -> None:
        """Read as the previous release does, with the lease's key from before it got a prefix (ADR 15)."""
        key, token = f"product:{product_id}:lease", next(self._new_tokens())
        leased = await self.redis.set(key, token, nx=True, ex=10)
        row = await self.fetch(product_id)
        assert row is not None
        if leased:
            store = self.redis.register_script(_OLD_STORE)
            value = Product(*cast(Any, row)).to_json()
            await store(keys=[f"product:{product_id}", key], args=[token, value, 300])

    async def update(self, product_id: str, *inventories: int) -> None:
        """Let the pipeline commit and then invalidate, for each of these values."""
        for inventory in inventories:
            await self.turn()
            self.rows[product_id] = product(product_id, inventory)
            await RedisCache(cast(Any, self.redis)).invalidate([product_id])

    async def update_without_cache(self, product_id: str, inventory: int) -> None:
        """Let the pipeline commit, fail to invalidate, and record that; then drain as the next batch does."""
        await self.turn()
        self.rows[product_id] = product(product_id, inventory)
        await self.turn()
        self.pending[product_id] = next(self._ids)
        await self.drain()

    async def drain(self) -> None:
        """Drain pending invalidations as a batch does after its own work."""
        ports = SimpleNamespace(
            catalog=PendingInvalidations(self), cache=RedisCache(cast(Any, self.redis)), clock=FakeClock()
        )
        report = await drain_page(cast(Any, ports), deadline=100.0)
        assert report.warnings == []

    def is_pending(self, pending: PendingInvalidation) -> bool:
        """Return whether the product is pending since it was read as that, not since later."""
        return self.pending.get(pending.product_id) == pending.id

    async def lose(self, *keys: str) -> None:
        """Remove these keys from the cache, as by eviction or expiry."""
        for key in keys:
            await self.turn()
            self.redis.values.pop(key, None)

    def cache(self, product_id: str) -> None:
        """Store the product in the cache, as an earlier read did."""
        self.redis.values[value_key(product_id)] = self.rows[product_id].to_json()

    def check_nothing_stale(self) -> None:
        """Check that no cached product is older than its row, unless its invalidation is pending."""
        for product_id, row in self.rows.items():
            value = self.redis.values.get(value_key(product_id))
            if product_id in self.pending:
                continue  # the next drain deletes it
            if value is not None and (cached := cached_product(product_id, value)) is not None:
                assert cached == row

    def check_no_lease_left(self) -> None:
        """Check that every cancelled reader has released its lease."""
        assert not [key for key in self.redis.values if key.startswith("lease:")]

    def _new_tokens(self) -> Iterator[str]:
        reader = next(self._readers)
        return (f"token {reader}.{number}" for number in itertools.count(1))

    async def fetch(self, product_id: str) -> Row | None:
        """Return the product's row."""
        await (self.database_turn or self.turn)()
        self.read += 1
        row = self.rows.get(product_id)
        self.redis.told(row and row.inventory)
        return None if row is None else (row.product_id, row.inventory, row.price, row.last_updated)
