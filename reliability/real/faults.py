"""What each fault of a history does to real servers and processes, and how it ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.exceptions import RedisError

from local.emulated_aws.function_service import ExecutionEnvironment
from local.servers.loopback import HOST
from local.servers.proxy import Link, Proxy
from reliability.aws import TROUBLES
from reliability.history import PRODUCTS, REAL_FAULTS, Fault, identifier
from reliability.real.servers import WRITER

if TYPE_CHECKING:
    from reliability.real.pipeline import RealPipeline

# What drivers raise where a server is away; then a fault of that server hits nothing.
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, RedisError, OSError)
# Messages pass the proxies more rarely than loops take turns.
_STEPS_PER_MESSAGE = 4
# The order in which statements lock rows.
_ORDERED = sorted(PRODUCTS, key=str.encode)
_LOCK = "SELECT FROM products WHERE product_id = ANY($1::text[]) ORDER BY product_id FOR UPDATE"
_TOUCH = "UPDATE products SET last_updated = last_updated WHERE product_id = ANY($1::text[])"
_BACKENDS = f"FROM pg_stat_activity WHERE usename = '{WRITER}' AND datname = current_database()"
_END_BACKENDS = f"SELECT pg_terminate_backend(pid) {_BACKENDS}"
_BUSY_BACKENDS = f"SELECT pid {_BACKENDS} AND state = 'active' ORDER BY pid"
_MOMENT_SECONDS = 0.1
_CONFLICTS = 5
_FLAP_SECONDS = 0.02
_SLOW_SECONDS, _SLOW_ROW_SECONDS = 4.0, 3.0


class NothingToHitError(Exception):
    """There is nothing that this fault could happen to now."""


class Faults:
    """Makes faults happen. `happened`: how many of each kind did, with something to hit.

    A fault is a context: it begins, and ends after its time or when all faults end. `step` counts messages,
    so that faults hit what is going on.
    """

    def __init__(self, pipeline: "RealPipeline", planned: Sequence[Fault]) -> None:
        self.happened: Counter[str] = Counter()
        self.frozen: set[ExecutionEnvironment] = set()
        self._pipeline = pipeline
        self._servers = pipeline.servers
        self._waiting = sorted(planned, key=lambda fault: fault.step, reverse=True)
        self._steps = 0
        self._is_over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_next_answer: Callable[[], None] | None = None

    def step(self, link: Link, data: bytes, from_client: bool) -> None:  # noqa: FBT001 a callback
        """Count a message that is about to pass, and begin what is due."""
        del link, data, from_client
        self._steps += _STEPS_PER_MESSAGE
        while self._waiting and self._waiting[-1].step <= self._steps and not self._is_over.is_set():
            self._spawn(self.happen(self._waiting.pop()))

    def step_of_database(self, link: Link, data: bytes, from_client: bool) -> None:  # noqa: FBT001 a callback
        """Do the same, and what is to happen instead of the answer to an upsert: its commit is done."""
        if not from_client and b"SELECT 1\0" in data and self._at_next_answer is not None:
            act, self._at_next_answer = self._at_next_answer, None
            act()
        self.step(link, data, from_client)

    async def wait(self) -> None:
        """Return when those that have begun have ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def heal(self) -> None:
        """End all faults; no other begins."""
        self._is_over.set()
        self._at_next_answer = None
        await self.wait()

    async def happen(self, fault: Fault) -> None:
        """Let a fault happen; return when it has ended."""
        note = self._pipeline.world.note
        seconds = fault.seconds / self._pipeline.pace
        if fault.kind == "freeze past the timeout":
            seconds += self._pipeline.timeout_seconds
        try:
            async with self._context(fault):
                self.happened[fault.kind] += 1
                note(f"fault: {fault.kind} for {seconds:.3f} s")
                await self._over_after(seconds)
                note(f"ends: {fault.kind}")
        except (NothingToHitError, *AWAY) as error:
            note(f"fault: {fault.kind}: {type(error).__name__} {error}")

    def _context(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        where, what = fault.where_and_what
        if where in self._pipeline.proxies and hasattr(self, method := f"_way_{what}"):
            way: AbstractAsyncContextManager[None] = getattr(self, method)(
                self._pipeline.proxies[where], fault
            )
            return way
        if fault.kind in TROUBLES:
            return self._trouble(fault)
        found: AbstractAsyncContextManager[None] = getattr(self, f"_{identifier(fault.kind)}")(fault)
        return found

    async def _over_after(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), seconds)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def _trouble(self, fault: Fault) -> AsyncIterator[None]:
        self._pipeline.services.trouble(fault, self._pipeline.pace)
        yield

    # Processes:

    def _busy(self, fault: Fault) -> ExecutionEnvironment:
        if not self._pipeline.service.busy:
            raise NothingToHitError
        return fault.picked(sorted(self._pipeline.service.busy, key=lambda one: one.pid or 0))

    @asynccontextmanager
    async def _kill(self, fault: Fault) -> AsyncIterator[None]:
        self._busy(fault).kill()
        yield

    @asynccontextmanager
    async def _freeze(self, fault: Fault) -> AsyncIterator[None]:
        frozen = self._busy(fault)
        self.frozen.add(frozen)
        frozen.freeze()
        yield
        frozen.thaw()

    _freeze_past_the_timeout = _freeze

    @asynccontextmanager
    async def _recycle(self, fault: Fault) -> AsyncIterator[None]:
        idle = self._pipeline.service.idle
        if not idle:
            raise NothingToHitError
        idle.pop(int(fault.pick * len(idle))).kill()
        yield

    @asynccontextmanager
    async def _mapping_restarts(self, _: Fault) -> AsyncIterator[None]:
        self._pipeline.restart_mapping()
        yield

    @asynccontextmanager
    async def _delivered_twice(self, _: Fault) -> AsyncIterator[None]:
        """Deliver the last batch once more, while it may still be worked on."""
        self._pipeline.deliver_again(1.0)
        yield

    @asynccontextmanager
    async def _delivered_again(self, fault: Fault) -> AsyncIterator[None]:
        """Deliver an older batch after newer ones."""
        self._pipeline.deliver_again(fault.pick)
        yield

    # The ways to servers:

    @asynccontextmanager
    async def _way_refuses(self, proxy: Proxy, _: Fault) -> AsyncIterator[None]:
        proxy.refuse()
        yield
        if not self._pipeline.is_out(proxy):
            proxy.listen()

    @asynccontextmanager
    async def _hole(self, proxy: Proxy, *, to_server: bool, to_client: bool) -> AsyncIterator[None]:
        proxy.hold(to_server=to_server, to_client=to_client)
        yield
        proxy.hold(to_server=False, to_client=False)

    def _way_black_hole(self, proxy: Proxy, _: Fault) -> AbstractAsyncContextManager[None]:
        return self._hole(proxy, to_server=True, to_client=True)

    def _way_black_hole_to_it(self, proxy: Proxy, _: Fault) -> AbstractAsyncContextManager[None]:
        return self._hole(proxy, to_server=True, to_client=False)

    def _way_black_hole_from_it(self, proxy: Proxy, _: Fault) -> AbstractAsyncContextManager[None]:
        return self._hole(proxy, to_server=False, to_client=True)

    @asynccontextmanager
    async def _way_slow(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        seconds = _SLOW_SECONDS * fault.pick**3 / self._pipeline.pace
        proxy.delay_to_server_seconds = proxy.delay_to_client_seconds = seconds
        yield
        proxy.delay_to_server_seconds = proxy.delay_to_client_seconds = 0.0

    @asynccontextmanager
    async def _way_flaps(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        """Cut all connections again and again."""
        chance = self._pipeline.world.random

        async def flap() -> None:
            while True:
                proxy.cut()
                await asyncio.sleep(chance.random() ** 2 * (_FLAP_SECONDS + fault.pick / self._pipeline.pace))

        flapping = asyncio.create_task(flap())
        yield
        flapping.cancel()

    def _link(self, proxy: Proxy, fault: Fault) -> Link:
        if not proxy.links:
            raise NothingToHitError
        return fault.picked(list(proxy.links))

    @asynccontextmanager
    async def _way_connection_cut(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        self._link(proxy, fault).close(reset=True)
        yield

    @asynccontextmanager
    async def _way_connection_vanishes(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        self._link(proxy, fault).swallowed = True
        yield

    @asynccontextmanager
    async def _way_cut_after_delivery(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        self._link(proxy, fault).cuts_after_delivery = True
        yield

    @asynccontextmanager
    async def _way_answers_vanish(self, proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
        self._link(proxy, fault).swallows_answers = True
        yield

    # PostgreSQL:

    @asynccontextmanager
    async def _away(
        self, lock: asyncio.Lock, end: Callable[[], None], begin: Callable[[], None]
    ) -> AsyncIterator[None]:
        async with lock:
            await asyncio.to_thread(end)
            try:
                yield
            finally:
                await asyncio.to_thread(begin)

    def _postgres_crash(self, _: Fault) -> AbstractAsyncContextManager[None]:
        postgres = self._servers.postgres
        return self._away(self._servers.postgres_lock, postgres.kill, postgres.start)

    def _postgres_shut_down(self, _: Fault) -> AbstractAsyncContextManager[None]:
        postgres = self._servers.postgres
        return self._away(self._servers.postgres_lock, postgres.stop, postgres.start)

    def _postgres_stopped(self, _: Fault) -> AbstractAsyncContextManager[None]:
        postgres = self._servers.postgres
        return self._away(self._servers.postgres_lock, postgres.pause, postgres.resume)

    @asynccontextmanager
    async def _postgres_crash_after_a_commit(self, fault: Fault) -> AsyncIterator[None]:
        """Let no answer of an upsert come back: the server crashes."""

        def crash() -> None:
            self._pipeline.proxies["postgres"].cut()
            self._spawn(self.happen(Fault(0, "postgres: crash", fault.seconds, fault.pick)))

        self._at_next_answer = crash
        yield

    @asynccontextmanager
    async def _postgres_read_only(self, _: Fault) -> AsyncIterator[None]:
        await self._run("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        yield
        await self._run("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    @asynccontextmanager
    async def _postgres_too_many_connections(self, fault: Fault) -> AsyncIterator[None]:
        await self._run(f"ALTER ROLE {WRITER} CONNECTION LIMIT 0")
        if fault.pick < 0.5:
            await self._run(_END_BACKENDS)
        yield
        await self._run(f"ALTER ROLE {WRITER} CONNECTION LIMIT -1")

    @asynccontextmanager
    async def _postgres_password_rotated(self, fault: Fault) -> AsyncIterator[None]:
        """Set a new password; for a time, the secret has the old one."""
        self._pipeline.database_password = password = f"password {fault.pick}"
        await self._run(f"ALTER ROLE {WRITER} PASSWORD '{password}'")
        if fault.pick < 0.5:
            await self._run(_END_BACKENDS)
        yield
        self._pipeline.set_database_secret(self._pipeline.database_password)

    @asynccontextmanager
    async def _postgres_backend_terminated(self, fault: Fault) -> AsyncIterator[None]:
        async with self._servers.administrator() as connection:
            pids = await connection.fetch(f"SELECT pid {_BACKENDS} ORDER BY pid")
            if not pids:
                raise NothingToHitError
            await connection.execute(f"SELECT pg_terminate_backend({fault.picked(pids)['pid']})")
        yield

    @asynccontextmanager
    async def _postgres_deadlock(self, _: Fault) -> AsyncIterator[None]:
        """Lock the last row and then the first, while statements lock them the other way round."""
        async with self._servers.administrator() as connection:
            await connection.execute("SET deadlock_timeout = '10s'")  # so that it is not the victim
            async with connection.transaction():
                await connection.execute(_LOCK, _ORDERED[-1:])
                await asyncio.sleep(_MOMENT_SECONDS)
                await connection.execute(_LOCK, _ORDERED[:-1])
        yield

    @asynccontextmanager
    async def _postgres_serialization_failure(self, _: Fault) -> AsyncIterator[None]:
        """Change the rows again and again under transactions that must not see that."""
        await self._run(
            f"ALTER ROLE {WRITER} SET default_transaction_isolation = 'repeatable read'", _END_BACKENDS
        )
        async with self._servers.administrator() as connection:
            for _conflict in range(_CONFLICTS):
                async with connection.transaction():
                    await connection.execute(_TOUCH, _ORDERED)
                    await asyncio.sleep(_MOMENT_SECONDS)
        yield
        await self._run(f"ALTER ROLE {WRITER} RESET default_transaction_isolation", _END_BACKENDS)

    @asynccontextmanager
    async def _postgres_statement_timeout(self, _: Fault) -> AsyncIterator[None]:
        """Cancel what waits for rows, as the server does with a statement that takes too long."""
        async with self._locked_rows(_ORDERED), self._servers.administrator() as connection:
            await asyncio.sleep(_MOMENT_SECONDS)
            pids = await connection.fetch(_BUSY_BACKENDS)
            for pid in pids:
                await connection.execute(f"SELECT pg_cancel_backend({pid['pid']})")
        if not pids:
            raise NothingToHitError
        yield

    def _postgres_rows_locked(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        return self._locked_rows(PRODUCTS[: 1 + int(fault.pick * len(PRODUCTS))])

    @asynccontextmanager
    async def _locked_rows(self, products: Sequence[str]) -> AsyncIterator[None]:
        async with self._servers.administrator() as connection, connection.transaction():
            await connection.execute(_LOCK, products)
            yield

    @asynccontextmanager
    async def _postgres_slow_rows(self, fault: Fault) -> AsyncIterator[None]:
        pipeline = self._pipeline
        normal = pipeline.history.row_seconds / pipeline.pace
        await pipeline.set_row_seconds(max(normal, _SLOW_ROW_SECONDS * fault.pick**2 / pipeline.pace))
        yield
        await pipeline.set_row_seconds(normal)

    async def _run(self, *statements: str) -> None:
        async with self._servers.administrator() as connection:
            for statement in statements:
                await connection.execute(statement)

    # The cache:

    def _valkey_crash(self, _: Fault) -> AbstractAsyncContextManager[None]:
        return self._cache_away(self._servers.valkey.kill)

    def _valkey_restart(self, _: Fault) -> AbstractAsyncContextManager[None]:
        return self._cache_away(self._servers.valkey.stop)

    @asynccontextmanager
    async def _cache_away(self, end: Callable[[], None]) -> AsyncIterator[None]:
        async with self._away(self._servers.valkey_lock, end, self._servers.valkey.start):
            yield
        await self._servers.set_cache_password(self._servers.cache_password)

    def _valkey_stopped(self, _: Fault) -> AbstractAsyncContextManager[None]:
        valkey = self._servers.valkey
        return self._away(self._servers.valkey_lock, valkey.pause, valkey.resume)

    @asynccontextmanager
    async def _valkey_failover(self, _: Fault) -> AsyncIterator[None]:
        """Make a replica of it, as the old primary becomes."""
        async with self._servers.cache() as redis:
            await redis.slaveof(HOST, 1)
        yield
        async with self._servers.cache() as redis:
            await redis.slaveof()

    @asynccontextmanager
    async def _valkey_eviction(self, fault: Fault) -> AsyncIterator[None]:
        async with self._servers.cache() as redis:
            keys = sorted(await redis.keys())
            if not keys:
                raise NothingToHitError
            await redis.delete(fault.picked(keys))
        yield

    @asynccontextmanager
    async def _valkey_flushed(self, _: Fault) -> AsyncIterator[None]:
        async with self._servers.cache() as redis:
            await redis.flushall()
        yield

    @asynccontextmanager
    async def _valkey_full(self, fault: Fault) -> AsyncIterator[None]:
        """Let it have no memory for writes, and evict what it has, or nothing."""
        async with self._servers.cache() as redis:
            await redis.config_set("maxmemory-policy", fault.picked(("allkeys-random", "noeviction")))
            await redis.config_set("maxmemory", 1)
        yield
        async with self._servers.cache() as redis:
            await redis.config_set("maxmemory", 0)

    @asynccontextmanager
    async def _valkey_password_rotated(self, fault: Fault) -> AsyncIterator[None]:
        await self._servers.set_cache_password(f"password {fault.pick}")
        yield
        self._pipeline.set_cache_secret(self._servers.cache_password)


def kinds_without_code() -> list[str]:
    """Return the kinds of faults that nothing here does."""
    return [
        kind
        for kind in REAL_FAULTS
        if kind not in TROUBLES
        and not hasattr(Faults, f"_{identifier(kind)}")
        and not hasattr(Faults, f"_way_{identifier(kind.rpartition(': ')[2])}")
    ]
