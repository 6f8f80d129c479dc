"""How the shop reads products: through the cache, never older than the row once all updates are done.

On a miss, a reader takes a lease, reads the primary, and stores what it read only if its lease is still
there. An invalidation deletes value and lease, so what was read before it is never stored after it (Nishtala
et al., Scaling Memcache at Facebook, NSDI 2013, section 3.2.1). This works only if every reader uses leases,
so read products through this class only. `readers.open_reader` makes one with properly configured
connections.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from processor.background_tasks import Background
from processor.cache_commands import CACHE_TIMEOUT_SECONDS, NO_ANSWER, CacheCommands
from processor.cache_keys import CACHE_TIME_TO_LIVE_SECONDS, LEASE_SECONDS, lease_key, value_key
from processor.product import (
    COLUMNS,
    MAX_PRODUCT_ID,
    MAX_VALUE_BYTES,
    Product,
    cached_product,
)
from processor.time_limits import TimeBudget

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy
    from redis.asyncio import Redis

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

# After a reader has stopped waiting for a connection to the database, connecting continues this long for the
# next.
CONNECT_TIMEOUT_SECONDS = 3.0
RELEASE_TIMEOUT_SECONDS = 0.3
# How long a reader waits until its lease is given back; after that, it goes on in the background.
GIVE_BACK_WAIT_SECONDS = 0.1
# RELEASE_TIMEOUT_SECONDS and a little more.
_END_SECONDS = 0.4

_STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
# Migrations are deployed before code, so every column exists.
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM products WHERE product_id = $1"  # noqa: S608 our own names


@dataclass(slots=True)
class ReaderStatistics:
    """Counts since the reader was created.

    `refused_stores`: an invalidation came between reading and storing. `cache_errors`: commands that the
    cache did not answer in time, or that were not sent because it had not answered others; the database was
    read instead.
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    refused_stores: int = 0
    cache_errors: int = 0


class CatalogReader:
    """Reads products through the cache, and from the database when the cache is unavailable.

    Args:
        pool: asyncpg pool to the primary; the role needs SELECT on `products` only.
        redis: client of the cache that the processor invalidates.
        new_token: returns a text that no other lease has; replaced in simulations.
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
        self._background = Background()
        self._commands = CacheCommands(redis, self._background)
        self._connecting: set[asyncio.Task[Connection]] = set()
        self.statistics = ReaderStatistics()

    async def get(self, product_id: str) -> Product | None:
        """Return the product; None if the catalog does not have it.

        An id that cannot exist is None without reading the cache or the database: empty, longer than 255
        characters, or with NUL or lone surrogates, which PostgreSQL does not accept in text.

        May be cancelled or put under `asyncio.timeout` at any moment: neither a lease nor a connection is
        leaked.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: the product
                is not cached, and the database failed or the connection to it did.
            TypeError: the id is not a str.
        """
        if not _can_exist(product_id):
            return None
        budget = TimeBudget(CACHE_TIMEOUT_SECONDS)
        # Not GET: a longer value was not stored by a reader, and must not fill the memory.
        value = await self._run(
            lambda: self._redis.getrange(value_key(product_id), 0, MAX_VALUE_BYTES - 1), budget
        )
        if value is NO_ANSWER:
            return await self._read(product_id)
        if value and (product := cached_product(product_id, value)) is not None:
            self.statistics.hits += 1
            return product
        self.statistics.misses += 1
        return await self._read_under_lease(product_id, budget)

    async def aclose(self) -> None:
        """End the background tasks. Call it before closing pool and client, which it leaves open."""
        await self._background.end(within_seconds=_END_SECONDS)

    async def _read_under_lease(self, product_id: str, budget: TimeBudget) -> Product | None:
        token = self._new_token()
        # `get=True`: if a reply is lost, redis-py sends the command again and gets our own token back.
        leasing = await self._commands.begin(
            lambda: self._redis.set(lease_key(product_id), token, nx=True, get=True, ex=LEASE_SECONDS),
            budget,
        )
        storing: asyncio.Task[Any] | None = None
        try:
            leased = await self._reply(leasing, budget)
            product = await self._read(product_id)
            if _is_ours(leased, token) and product is not None:
                storing = await self._begin_to_store(product, token, budget)
                self._count_store(await self._reply(storing, budget))
            return product
        finally:
            if leasing is not None:
                await self._give_back(product_id, token, leasing, storing)

    async def _read(self, product_id: str) -> Product | None:
        connection = await self._connect()
        try:
            row = await connection.fetchrow(_SELECT, product_id)
        finally:
            # In the background, so that a cancelled caller does not wait for a silent server. A server that
            # is only slow gets a request to cancel the statement.
            releasing = self._background.start(self._release(connection))
        await asyncio.wait({releasing})
        return None if row is None else Product(*row)

    async def _connect(self) -> "Connection":
        """Return a connection of the pool; if cancelled, leave it to the next caller."""

        async def acquire() -> "Connection":
            return await self._pool.acquire()

        acquiring = self._background.start(acquire())
        try:
            return await asyncio.shield(acquiring)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if acquiring.cancelled() and caller is not None and not caller.cancelling():
                raise asyncpg.InterfaceError("the reader is closed") from None
            self._keep_connecting(acquiring)
            raise

    def _keep_connecting(self, acquiring: "asyncio.Task[Connection]") -> None:
        # At most half of the pool: while the database is silent none of these attempts succeeds, and new
        # readers need the rest.
        if len(self._connecting) < max(1, self._pool.get_max_size() // 2):
            self._connecting.add(acquiring)
            asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_SECONDS, acquiring.cancel)
        else:
            acquiring.cancel()
        acquiring.add_done_callback(self._put_back)

    def _put_back(self, acquiring: "asyncio.Task[Connection]") -> None:
        self._connecting.discard(acquiring)
        if not acquiring.cancelled() and acquiring.exception() is None:
            self._background.start(self._release(acquiring.result()))

    async def _release(self, connection: "Connection") -> None:
        # Without a limit it would wait for ever for a silent server (asyncpg issue 431). asyncpg drops a
        # connection that is not released in time.
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)

    async def _begin_to_store(
        self, product: Product, token: str, budget: TimeBudget
    ) -> "asyncio.Task[Any] | None":
        return await self._commands.begin(
            lambda: self._store_if_leased(
                keys=[value_key(product.product_id), lease_key(product.product_id)],
                args=[token, product.to_json(), CACHE_TIME_TO_LIVE_SECONDS],
            ),
            budget,
        )

    def _count_store(self, stored: object) -> None:
        if stored == 1:
            self.statistics.stores += 1
        elif stored == 0:
            self.statistics.refused_stores += 1

    async def _give_back(
        self,
        product_id: str,
        token: str,
        leasing: "asyncio.Task[Any]",
        storing: "asyncio.Task[Any] | None",
    ) -> None:
        """Delete the lease if it is this one, so that others need not wait for it to expire."""

        async def give_back() -> None:
            # First wait for the command that takes the lease: it may still succeed.
            leased = await leasing
            if leased is not NO_ANSWER and not _is_ours(leased, token):
                return
            if storing is not None and await storing is not NO_ANSWER:
                return  # the store has deleted the lease, or another reader has it
            await self._run(
                lambda: self._give_back_if_ours(keys=[lease_key(product_id)], args=[token]),
                TimeBudget(CACHE_TIMEOUT_SECONDS),
            )

        giving = self._background.start(give_back())
        await asyncio.wait({giving}, timeout=GIVE_BACK_WAIT_SECONDS)

    async def _run(self, command: Callable[[], Awaitable[Any]], budget: TimeBudget) -> Any:
        return await self._reply(await self._commands.begin(command, budget), budget)

    async def _reply(self, begun: "asyncio.Task[Any] | None", budget: TimeBudget) -> Any:
        reply = await self._commands.reply(begun, budget)
        if reply is NO_ANSWER:
            self.statistics.cache_errors += 1
        return reply


def _is_ours(leased: object, token: str) -> bool:
    """Return whether SET NX GET took the lease: it found none, or this one."""
    return leased is None or leased in (token, token.encode())


def _can_exist(product_id: str) -> bool:
    if not isinstance(product_id, str):
        raise TypeError(f"a product's id is a str, not {type(product_id).__name__}: {product_id!r:.80}")
    if not 0 < len(product_id) <= MAX_PRODUCT_ID or "\0" in product_id:
        return False
    try:
        product_id.encode()
    except UnicodeEncodeError:
        return False
    return True
