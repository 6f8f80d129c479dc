"""How the shop reads products: through the cache, never staler than the row once things are quiet.

A reader that misses takes a lease, reads the primary, and stores what it read only if its lease is still
there. An invalidation deletes value and lease, so what was read before it is never stored after it
(Nishtala et al., Scaling Memcache at Facebook, NSDI 2013, section 3.2.1). Leases hold only if every
reader uses them: read products through this class alone. `readers.open_reader` makes one, with connections
as they must be.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from processor.product import (
    COLUMNS,
    MAX_PRODUCT_ID,
    MAX_VALUE_BYTES,
    TIME_TO_LIVE_SECONDS,
    Product,
    cached_product,
    lease_key,
    value_key,
)

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy
    from redis.asyncio import Redis

LEASE_SECONDS: Final = 10
CACHE_TIMEOUT_SECONDS: Final = 0.3
# The same, with others in front: a burst of readers must not take itself for a cache that hangs.
CACHE_QUEUE_TIMEOUT_SECONDS: Final = 1.0
# More would make nothing faster, and their logins at once might take longer than a command may.
CACHE_COMMANDS_AT_ONCE: Final = 16
RELEASE_TIMEOUT_SECONDS: Final = 0.3
# How long a reader that leaves stays for its lease; giving it back goes on without it.
GIVE_BACK_WAIT_SECONDS: Final = 0.1

_STORE: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_GIVE_BACK: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
_NO_ANSWER: Final = object()
# The latter two: writing to a connection that was reset, https://github.com/python/cpython/issues/136234.
_CLOSED: Final = (RedisConnectionError, AttributeError, TypeError)
# Migrations come before code, so that every column is there.
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM products WHERE product_id = $1"  # noqa: S608 our own names


@dataclass(slots=True)
class ReaderStatistics:
    """Counts since the reader was made.

    `refused_stores`: an invalidation came between reading and storing; `cache_errors`: Redis did not
    answer, and the database did.
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    refused_stores: int = 0
    cache_errors: int = 0


class CatalogReader:
    """Reads products through the cache, and from the database when the cache is gone.

    Args:
        pool: asyncpg pool to the primary; the role needs SELECT on `products` only.
        redis: client of the cache the processor invalidates.
        new_token: makes a text no other lease has; replaced in simulations.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        redis: "Redis",
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._new_token = new_token
        self._store_if_leased = redis.register_script(_STORE)
        self._give_back_if_ours = redis.register_script(_GIVE_BACK)
        self._going_on: set[asyncio.Task[object]] = set()
        # redis-py's default pool raises at its limit instead of waiting.
        self._turns = asyncio.Semaphore(min(redis.connection_pool.max_connections, CACHE_COMMANDS_AT_ONCE))
        self.statistics = ReaderStatistics()

    async def get(self, product_id: str) -> Product | None:
        """The product, or None if the catalog has none of this id, or can have none: nothing is asked for
        the empty id, for more than 255 characters, and for what PostgreSQL takes in no text (NUL, lone
        surrogates).

        May be cancelled and put under `asyncio.timeout` at any moment: neither a lease nor a connection is
        kept.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: the product
                is not cached, and the database failed or the connection to it did.
        """
        if not _can_exist(product_id):
            return None
        # Not GET: what is longer, somebody else put there, and it must not fill the memory.
        value = await self._cache(lambda: self._redis.getrange(value_key(product_id), 0, MAX_VALUE_BYTES - 1))
        if value is _NO_ANSWER:
            return await self._read(product_id)
        if value and (product := cached_product(product_id, value)) is not None:
            self.statistics.hits += 1
            return product
        self.statistics.misses += 1
        return await self._read_under_lease(product_id)

    async def _read_under_lease(self, product_id: str) -> Product | None:
        token = self._new_token()
        # Without an answer it may be ours or not.
        may_be_ours = True
        try:
            leased = await self._cache(
                lambda: self._redis.set(lease_key(product_id), token, nx=True, ex=LEASE_SECONDS)
            )
            may_be_ours = leased is not None
            product = await self._read(product_id)
            if leased is True and product is not None:
                may_be_ours = not await self._store(product, token)
            return product
        finally:
            if may_be_ours:
                await self._give_back(product_id, token)

    async def _read(self, product_id: str) -> Product | None:
        connection = await self._pool.acquire()
        try:
            row = await connection.fetchrow(_SELECT, product_id)
        finally:
            # Who is cancelled does not wait for it: a server that is silent holds it up, and one that is only
            # slow is told to end the statement.
            releasing = self._start(self._release(connection))
        await asyncio.wait({releasing})
        return None if row is None else Product(*row)

    async def _release(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        # Without a limit it would wait for ever for a silent server (asyncpg issue 431); what is not released
        # in time, asyncpg drops.
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)

    async def _store(self, product: Product, token: str) -> bool:
        """Whether the cache answered: the lease is gone then."""
        stored = await self._cache(
            lambda: self._store_if_leased(
                keys=[value_key(product.product_id), lease_key(product.product_id)],
                args=[token, product.to_json(), TIME_TO_LIVE_SECONDS],
            )
        )
        if stored == 1:
            self.statistics.stores += 1
        elif stored == 0:
            self.statistics.refused_stores += 1
        return stored is not _NO_ANSWER

    async def _give_back(self, product_id: str, token: str) -> None:
        """Delete the lease if it is this one: others need not wait for it to expire."""
        giving = self._start(
            self._cache(lambda: self._give_back_if_ours(keys=[lease_key(product_id)], args=[token]))
        )
        await asyncio.wait({giving}, timeout=GIVE_BACK_WAIT_SECONDS)

    def _start(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
        """Do this whoever leaves meanwhile; it has a limit of its own."""
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task

    async def _cache(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """The command's reply, None if what the cache holds is of no use to it, or `_NO_ANSWER`."""
        try:
            in_all = asyncio.timeout(CACHE_QUEUE_TIMEOUT_SECONDS)
            async with in_all, self._turns, _limit(CACHE_TIMEOUT_SECONDS):
                return await _twice_if_closed(command)
        except UnicodeDecodeError:
            return None
        except (RedisError, OSError, *_CLOSED) as error:
            if isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE"):
                return None
            self.statistics.cache_errors += 1
            return _NO_ANSWER


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but a pause of this process counts as a third at most.

    A garbage collection takes half a second in a large one, and says nothing of the cache.
    """
    loop, limit, third = asyncio.get_running_loop(), asyncio.timeout(None), seconds / 3
    timer = loop.call_later(third, lambda: pass_third(2))

    def pass_third(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(third, pass_third, left - 1)
        else:
            limit.reschedule(loop.time())

    try:
        async with limit:
            yield
    finally:
        timer.cancel()


async def _twice_if_closed(command: Callable[[], Awaitable[Any]]) -> Any:
    """The reply; asked for again where redis-py handed out a closed connection, as it does under RESP3."""
    try:
        return await command()
    except _CLOSED as error:
        if isinstance(error, RedisConnectionError) and type(error) is not RedisConnectionError:
            raise  # a login that fails, for one
    return await command()


def _can_exist(product_id: str) -> bool:
    if not 0 < len(product_id) <= MAX_PRODUCT_ID or "\0" in product_id:
        return False
    try:
        product_id.encode()
    except UnicodeEncodeError:
        return False
    return True
