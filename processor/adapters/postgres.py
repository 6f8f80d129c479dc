"""A pool of connections to the catalog's database, and the reaction to each kind of failure (ADR 16)."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg

from processor.errors import (
    CatalogRefusedError,
    DependencyError,
    SettingsError,
    StatementTimeoutError,
    reason_of,
)
from processor.settings import DatabaseSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 5.0
# Anything but an upsert takes milliseconds. Without an answer by half of this, the connection is lost.
OPERATION_SECONDS = 5.0
# Whatever is between us and the server may have silently dropped connections that were idle for longer.
IDLE_LIFETIME_SECONDS = 240.0
# How soon the server notices that the client of a running statement is gone.
CLIENT_CHECK_MS = 500
# Many round trips, so a live server answers in time. A third of the time left leaves two for another try.
_PROBE_SECONDS = 1.0
_LEAST_STATEMENT_TIMEOUT_SECONDS = 10.0
# After so many queries asyncpg would close the connection and wait for the server to confirm it: never.
_MOST_QUERIES = 2**31

# https://www.postgresql.org/docs/18/errcodes-appendix.html
_DEPENDENCY_CLASSES = frozenset({"08", "53", "55", "57", "58"})
_TRANSACTION_ROLLBACK = "40"
_INVALID_AUTHORIZATION = "28"
# Read-only, a changed result type, and a prepared statement that a pooler's other connection does not know.
_STALE_CONNECTION_STATES = frozenset({"25006", "0A000", "26000", "42P05"})
# Cancelled (by statement_timeout or a person), transaction_timeout and lock_timeout.
_TIMED_OUT_STATES = frozenset({"57014", "25P04", "55P03"})
_TRANSACTION_RETRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Where and as whom to connect."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


LoginSource: TypeAlias = Callable[[], Awaitable[Login]]


class Database:
    """Runs operations on pooled connections; opened on first use, and again when the login changes.

    Args:
        login: called for the login at first, and again when the server refuses it (a rotated password).
        tls: None for none.
    """

    def __init__(self, login: LoginSource, tls: ssl.SSLContext | None, pool_size: int) -> None:
        self._login = login
        self._tls = tls
        self.pool_size = pool_size
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()
        self._peak_in_use = 0
        self._statement_timeout_seconds = _LEAST_STATEMENT_TIMEOUT_SECONDS

    def allow_statements(self, seconds: float) -> None:
        """Make the server end statements that run for longer than the longest invocation.

        A backstop for new connections, in case the server never notices that one of them is gone.
        """
        self._statement_timeout_seconds = max(self._statement_timeout_seconds, seconds)

    def take_peak_in_use(self) -> int:
        """Return the most connections that were busy at the same time since the last call."""
        peak, self._peak_in_use = self._peak_in_use, 0
        return peak

    async def run(
        self,
        operation: Callable[["Connection"], Awaitable[T]],
        *,
        within_seconds: float = OPERATION_SECONDS,
        divisible: bool = False,
    ) -> T:
        """Run an operation and return its result. It may run more than once, so it must be safe to repeat.

        An attempt has half of the time that is left, so that another connection can still be tried when this
        one turns out to be dead.

        Args:
            divisible: the caller can do less at a time. After silence, that is better than the same again.

        Raises:
            StatementTimeoutError: no answer to the operation, though the server answers.
            DependencyError: the database cannot be reached, is not able, or did not answer in time.
            CatalogRefusedError: the table refuses a value.
            asyncpg.PostgresError, asyncpg.InterfaceError: an unexpected error.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        retries = {_TRANSACTION_ROLLBACK: _TRANSACTION_RETRIES, _INVALID_AUTHORIZATION: 1, "connection": 1}
        while True:
            if loop.time() >= deadline:
                raise DependencyError("database: no time was left for a statement")
            try:
                return await self._once(operation, deadline)
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                reaction = _reaction(error)
                ends = reaction is None or not retries[reaction]
                if divisible and reaction == "connection" and (ends or isinstance(error, _SilenceError)):
                    # Either the connection is dead, or the statement is too much for the server.
                    await self.run(_ping, within_seconds=(deadline - loop.time()) / 2)
                    raise StatementTimeoutError(f"database: {reason_of(error)}") from error
                if ends and (ours := _ours(error)) is not error:
                    raise ours from error
                if ends:
                    raise
                retries[reaction or ""] -= 1

    def terminate(self) -> None:
        """Drop all connections immediately; the next use opens new ones."""
        if self._pool is not None:
            self._drop(self._pool)

    async def _once(self, operation: Callable[["Connection"], Awaitable[T]], deadline: float) -> T:
        async with asyncio.timeout_at(deadline):
            pool = await self._opened_pool()
        connection = await self._acquired(pool, deadline)
        self._peak_in_use = max(self._peak_in_use, pool.get_size() - pool.get_idle_size())
        try:
            return await self._limited(operation, connection, deadline)
        except BaseException as error:
            if not _leaves_usable(error):
                # Releasing it would wait for a server that may never answer (asyncpg issue 431).
                with suppress(asyncpg.InterfaceError):  # already released, because the server ended it
                    connection.terminate()
            if isinstance(error, Exception) and _reaction(error) == "connection":
                self._drop(pool)  # what happened to one connection has happened to the others too
            raise
        finally:
            await pool.release(connection)

    async def _acquired(self, pool: "Pool", deadline: float) -> "Connection":
        """Return a connection within half of the time left."""
        seconds = (deadline - asyncio.get_running_loop().time()) / 2
        try:
            async with asyncio.timeout(seconds):
                return await pool.acquire()
        except TimeoutError as error:
            self._drop(pool)
            raise asyncpg.ConnectionDoesNotExistError("no connection in time") from error
        except asyncpg.TooManyConnectionsError:
            raise  # those that are open are good: another half of an upsert may be using one
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            # A rotated password, or a database that moved: the next pool reads the login again.
            self._drop(pool)
            raise

    async def _limited(
        self, operation: Callable[["Connection"], Awaitable[T]], connection: "Connection", deadline: float
    ) -> T:
        """Run the operation within half of the time left; if it is late, check whether the server answers."""
        loop = asyncio.get_running_loop()
        seconds = (deadline - loop.time()) / 2
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await operation(connection)
        except TimeoutError as error:
            if not limit.expired():
                raise
            # asyncpg has asked the server to cancel the statement; the ping is answered once it is cancelled.
            try:
                async with asyncio.timeout(min(_PROBE_SECONDS, (deadline - loop.time()) / 3)):
                    await _ping(connection)
            except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                raise _SilenceError(f"no answer for {seconds:.1f} s, and no sign of life after it") from error
            raise StatementTimeoutError(f"database: the statement took more than {seconds:.1f} s") from error

    async def _opened_pool(self) -> "Pool":
        async with self._opening:
            if self._pool is None:
                login = await self._login()
                self._pool = await asyncpg.create_pool(
                    host=login.host,
                    port=login.port,
                    database=login.database,
                    user=login.user,
                    password=login.password,
                    ssl=self._tls if self._tls is not None else False,
                    min_size=0,
                    max_size=self.pool_size,
                    timeout=CONNECT_TIMEOUT_SECONDS,
                    max_inactive_connection_lifetime=IDLE_LIFETIME_SECONDS,
                    max_queries=_MOST_QUERIES,
                    server_settings={"application_name": "inventory-processor"},
                    connect=self._connect,
                    connection_class=_UniqueStatementNames,
                    reset=_do_not_reset,
                )
            return self._pool

    async def _connect(self, *address: Any, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect, and make the server end statements when nobody waits for them any more.

        The settings are made by a statement, because a pooler refuses startup parameters that it does not
        know. They are made here instead of in the pool's `init`, because a connection that fails there is
        closed by the pool, which waits for the server.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(*address, **options)
            try:
                await connection.execute(
                    f"SET client_connection_check_interval = {CLIENT_CHECK_MS}; "
                    f"SET statement_timeout = {int(self._statement_timeout_seconds * 1000)}"
                )
            except BaseException:
                connection.terminate()
                raise
        return connection

    def _drop(self, pool: "Pool") -> None:
        pool.terminate()
        if self._pool is pool:
            self._pool = None


class _SilenceError(asyncpg.ConnectionDoesNotExistError):
    """No answer on a connection: it is dead, or the server works on and ignored the request to cancel."""


async def _ping(connection: "Connection") -> None:
    """Run a statement that does nothing."""
    await connection.execute("SELECT")


class _UniqueStatementNames(asyncpg.Connection):
    """Gives statements other names than other processes do, since a pooler may put both on one connection."""

    def _get_unique_id(self, prefix: str) -> str:
        return f"{super()._get_unique_id(prefix)}{self.get_server_pid()}"  # type: ignore[misc]


async def _do_not_reset(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Send nothing when a connection is released: each statement is its own transaction and leaves nothing.

    asyncpg's own reset costs a round trip per batch, and waits for ever if the answer is lost.
    """


def tls_context(settings: DatabaseSettings) -> ssl.SSLContext | None:
    """Return a context that verifies the server's certificate and host name; None if TLS is disabled.

    Raises:
        SettingsError: DB_CA_FILE holds no certificates.
    """
    if settings.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise SettingsError(f"DB_CA_FILE {str(settings.ca_file)!r} holds no certificates: {error}") from error


def _leaves_usable(error: BaseException) -> bool:
    """Return whether the connection is usable after an error: the server sent it, or nothing was sent."""
    return isinstance(
        error, asyncpg.PostgresError | StatementTimeoutError | CatalogRefusedError
    ) and not isinstance(error, asyncpg.PostgresConnectionError)


def _reaction(error: Exception) -> str | None:
    """Return which of the retries in `run` an error counts for; None: it is not retried."""
    if isinstance(error, TimeoutError) or _is_misuse(error):
        return None
    if not isinstance(error, asyncpg.PostgresError):
        return "connection" if isinstance(error, _LOST) else None
    state = error.sqlstate or ""
    if state[:2] in (_TRANSACTION_ROLLBACK, _INVALID_AUTHORIZATION):
        return state[:2]
    if state[:2] == "08" or state in _STALE_CONNECTION_STATES:
        return "connection"
    # Shut down by an administrator: the server, or the one that took over, may be back.
    return "connection" if state.startswith("57P") else None


_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def _is_misuse(error: Exception) -> bool:
    # A setting or a value that asyncpg cannot encode; another connection would not help.
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def _ours(error: Exception) -> Exception:
    message = f"database: {reason_of(error)}"
    if "for query argument $" in str(error):
        return CatalogRefusedError(message)  # asyncpg cannot encode a value, and names it
    if _is_misuse(error):
        return error
    if not isinstance(error, asyncpg.PostgresError):
        return DependencyError(message)
    state = error.sqlstate or ""
    if state in _TIMED_OUT_STATES:
        return StatementTimeoutError(f"{message} ({state})")
    retried = (
        state[:2] in (_TRANSACTION_ROLLBACK, _INVALID_AUTHORIZATION) or state in _STALE_CONNECTION_STATES
    )
    if (retried and state != "0A000") or state[:2] in _DEPENDENCY_CLASSES:
        return DependencyError(f"{message} ({state})")
    return error
