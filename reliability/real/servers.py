"""PostgreSQL and Valkey of one process, kept from history to history, and how they are made whole again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from local.servers import PostgresServer, ValkeyServer
from processor import migrate
from reliability.history import REFUSED_INVENTORY
from reliability.pipeline import FIRST_PASSWORD

if TYPE_CHECKING:
    from typing import TypeAlias

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

WRITER, READER = "writer", "reader"
_SETTINGS = {
    "track_commit_timestamp": "on",
    "deadlock_timeout": "200ms",
    "max_connections": "200",
    # A killed server starts in a moment, since little is to be recovered.
    "max_wal_size": "64MB",
    "shared_buffers": "32MB",
}
_CONNECT_SECONDS = 10.0
# `history` has every state of a row; `trouble` says how long the next ones take. The functions have the
# rights of their owner, since the processor's role may not write there.
_WATCHED = f"""
CREATE TABLE history (
    number bigint GENERATED ALWAYS AS IDENTITY,
    product_id text, inventory int, price numeric, discontinued boolean
);
CREATE TABLE trouble (row_seconds float NOT NULL);
INSERT INTO trouble VALUES (0);
CREATE FUNCTION keep_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.history (product_id, inventory, price, discontinued)
    VALUES (NEW.product_id, NEW.inventory, NEW.price, NEW.discontinued);
    RETURN NEW;
END $$;
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_sleep(row_seconds) FROM public.trouble WHERE row_seconds > 0;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_state AFTER INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION keep_state();
CREATE TRIGGER take_time BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION take_time();
ALTER TABLE products ADD CHECK (inventory <> {REFUSED_INVENTORY});
CREATE ROLE {WRITER} LOGIN PASSWORD '{FIRST_PASSWORD}' IN ROLE catalog_writer;
CREATE ROLE {READER} LOGIN PASSWORD '{FIRST_PASSWORD}' IN ROLE catalog_reader;
"""  # noqa: S608 only constants
# What was sent to a session may be done before it ends.
_END_SESSIONS = f"""
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename IN ('{WRITER}', '{READER}')
"""  # noqa: S608
_EMPTY = """
TRUNCATE products, history, pending_invalidation, processing_attempt RESTART IDENTITY;
UPDATE invalidation_drain SET held_until = '-infinity'
"""


class Servers:
    """The two servers. `database`: the name of the catalog's.

    Their operations block and are not thread-safe, so each holds its server's lock and runs in a thread.
    """

    database = "catalog"

    def __init__(self, stack: ExitStack) -> None:
        self.postgres = stack.enter_context(PostgresServer(settings=_SETTINGS))
        self.valkey = stack.enter_context(ValkeyServer(password=FIRST_PASSWORD))
        self._cache_passwords = [FIRST_PASSWORD]
        self.postgres_lock, self.valkey_lock = asyncio.Lock(), asyncio.Lock()

    async def migrate(self) -> None:
        """Make the catalog's database, in which each state of a row is kept."""
        async with self.administrator("postgres") as connection:
            await connection.execute(f"CREATE DATABASE {self.database}")
        async with self.administrator() as connection:
            await migrate.migrate(connection, migrate.read_migrations())
            await connection.execute(_WATCHED)

    async def renew(self) -> None:
        """Make all as it was before any history: running, whole and empty."""
        await self.heal(FIRST_PASSWORD)
        async with self.administrator() as connection:
            await connection.execute(_END_SESSIONS)
            await connection.execute(_EMPTY)
        await self.set_cache_password(FIRST_PASSWORD)
        self._cache_passwords = [FIRST_PASSWORD]
        async with self.cache() as redis:
            await redis.flushall()

    async def heal(self, password: str) -> None:
        """End every fault of the servers themselves; `password`: the processor's role has it."""
        async with self.postgres_lock, self.valkey_lock:
            await asyncio.to_thread(self._run_both)
        async with self.administrator() as connection:
            await connection.execute("UPDATE trouble SET row_seconds = 0")
            await connection.execute("ALTER SYSTEM RESET ALL")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(f"ALTER ROLE {WRITER} CONNECTION LIMIT -1 PASSWORD '{password}'")
            await connection.execute(f"ALTER ROLE {WRITER} RESET ALL")
        async with self.cache() as redis:
            await redis.slaveof()
            await redis.config_set("maxmemory", 0)
        await self.set_cache_password(self.cache_password)

    def _run_both(self) -> None:
        for server in (self.postgres, self.valkey):
            if server.is_running:
                server.resume()
            else:
                server.start()

    @asynccontextmanager
    async def administrator(self, database: str = "") -> AsyncIterator["Connection"]:
        """Connect as the superuser, past the proxy."""
        address = replace(self.postgres.address, database=database or self.database)
        connection: Connection = await asyncpg.connect(
            address.dsn,
            ssl=False,
            timeout=_CONNECT_SECONDS,
            server_settings={"default_transaction_read_only": "off"},
        )
        try:
            yield connection
        finally:
            connection.terminate()

    @asynccontextmanager
    async def cache(self) -> AsyncIterator["Redis"]:
        """Connect to Valkey past the proxy; a restart takes the first password, and a change may fail."""
        for password in dict.fromkeys(reversed(self._cache_passwords)):
            address = self.valkey.address
            redis = Redis(
                host=address.host,
                port=address.port,
                password=password,
                socket_timeout=_CONNECT_SECONDS,
                socket_connect_timeout=_CONNECT_SECONDS,
            )
            try:
                if await _takes_password(redis):
                    yield redis
                    return
            finally:
                await redis.aclose()
        raise AuthenticationError("Valkey has another password")

    @property
    def cache_password(self) -> str:
        """The last one that was set."""
        return self._cache_passwords[-1]

    async def set_cache_password(self, password: str) -> None:
        """Change Valkey's password; connections that are logged in stay so."""
        self._cache_passwords.append(password)
        async with self.cache() as redis:
            await redis.config_set("requirepass", self.cache_password)


async def _takes_password(redis: "Redis") -> bool:
    try:
        await redis.ping()
    except AuthenticationError:
        return False
    return True
