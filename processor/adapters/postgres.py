"""A pool of connections to the catalog's database, and how each kind of failure is met (ADR 16)."""

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
# What is no upsert takes milliseconds; what has no answer by half of this has lost its connection.
OPERATION_SECONDS = 5.0
# Connections idle for longer may have been dropped without a word by what lies between.
IDLE_LIFETIME_SECONDS = 240.0
# How soon the server notices that whoever waits for a statement is gone.
CLIENT_CHECK_MS = 500
# Many round trips: a server that lives answers in time. A third of what is left leaves two for another try.
_PROBE_SECONDS = 1.0
_LEAST_STATEMENT_TIMEOUT_SECONDS = 10.0
# asyncpg closes a connection after so many, and waits for the server to agree: never.
_MOST_QUERIES = 2**31

# https://www.postgresql.org/docs/18/errcodes-appendix.html
_DEPENDENCY_CLASSES = frozenset({"08", "53", "55", "57", "58"})
_TRANSACTION_ROLLBACK = "40"
_INVALID_AUTHORIZATION = "28"
# Read-only, a changed result type, and a prepared statement that a pooler's other connection does not know.
_STALE_CONNECTION_STATES = frozenset({"25006", "0A000", "26000", "42P05"})
# Cancelled (by statement_timeout or a person), transaction_timeout, and a lock that lock_timeout gave up.
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

    `login` is asked for the login at first, and once more when the server refuses it (a rotated
    password). `tls`: None for none.
    """

    def __init__(self, login: LoginSource, tls: ssl.SSLContext | None, pool_size: int) -> None:
        self._login = login
        self._tls = tls
        self._pool_size = pool_size
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()
        self._peak_in_use = 0
        self._statement_timeout_seconds = _LEAST_STATEMENT_TIMEOUT_SECONDS

    def allow_statements(self, seconds: float) -> None:
        """New connections let the server end a statement that runs for longer than any invocation lasts.

        A backstop, for a connection whose end the server is never told of.
        """
        self._statement_timeout_seconds = max(self._statement_timeout_seconds, seconds)

    def take_peak_in_use(self) -> int:
        """The most connections that were busy at once since this was last asked."""
        peak, self._peak_in_use = self._peak_in_use, 0
        return peak

    async def run(
        self,
        operation: Callable[["Connection"], Awaitable[T]],
        *,
        within_seconds: float = OPERATION_SECONDS,
        divisible: bool = False,
    ) -> T:
        """The operation's result. It may run more than once, so it must be safe to repeat.

        An attempt has half of the time that is left, so that another connection can still be tried when this
        one turns out to be dead. `divisible`: less can be asked for instead, and is better after silence than
        the same again.

        Raises:
            StatementTimeoutError: no answer to the operation, though the server answers.
            DependencyError: the database cannot be reached, is not able, or did not answer in time.
            CatalogRefusedError: the table refuses a value.
            asyncpg.PostgresError, asyncpg.InterfaceError: nobody foresaw it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        retries = {_TRANSACTION_ROLLBACK: _TRANSACTION_RETRIES, _INVALID_AUTHORIZATION: 1, "connection": 1}
        while True:
            if loop.time() >= deadline:
                raise DependencyError("database: no time was left to ask it")
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
                    # The connection may be dead, or it is the statement that is too much for it.
                    await self.run(_sign, within_seconds=(deadline - loop.time()) / 2)
                    raise StatementTimeoutError(f"database: {reason_of(error)}") from error
                if ends:
                    raise _ours(error) from error
                retries[reaction or ""] -= 1

    def terminate(self) -> None:
        """Drop all connections at once; the next use opens new ones."""
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
                # Giving it back would wait for a server that may never answer (asyncpg issue 431).
                with suppress(asyncpg.InterfaceError):  # it has gone back by itself: the server ended it
                    connection.terminate()
            if isinstance(error, Exception) and _reaction(error) == "connection":
                self._drop(pool)  # what happened to one connection has happened to those beside it
            raise
        finally:
            await pool.release(connection)

    async def _acquired(self, pool: "Pool", deadline: float) -> "Connection":
        """A connection within half of the time left."""
        seconds = (deadline - asyncio.get_running_loop().time()) / 2
        try:
            async with asyncio.timeout(seconds):
                return await pool.acquire()
        except TimeoutError as error:
            self._drop(pool)
            raise asyncpg.ConnectionDoesNotExistError("no connection in time") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            self._drop(pool)  # the password was rotated, or the database has moved: the next pool asks anew
            raise

    async def _limited(
        self, operation: Callable[["Connection"], Awaitable[T]], connection: "Connection", deadline: float
    ) -> T:
        """The operation's result within half of the time left; is it late, the server is asked for a sign."""
        loop = asyncio.get_running_loop()
        seconds = (deadline - loop.time()) / 2
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await operation(connection)
        except TimeoutError as error:
            if not limit.expired():
                raise
            # asyncpg has asked the server to cancel the statement; this is answered once it is cancelled.
            try:
                async with asyncio.timeout(min(_PROBE_SECONDS, (deadline - loop.time()) / 3)):
                    await _sign(connection)
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
                    max_size=self._pool_size,
                    timeout=CONNECT_TIMEOUT_SECONDS,
                    max_inactive_connection_lifetime=IDLE_LIFETIME_SECONDS,
                    max_queries=_MOST_QUERIES,
                    server_settings={"application_name": "inventory-processor"},
                    connect=self._connect,
                    connection_class=_NamedApart,
                    reset=_nothing,
                )
            return self._pool

    async def _connect(self, *address: Any, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection whose statements end when nobody waits for them any more.

        Set by a statement and not at the start, where a pooler would refuse what it does not know; here and
        not in the pool's `init`, since the pool closes what fails there, and waits for the server to agree.
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
    """A connection gives no sign: it is dead, or its server is at work and deaf to the request to cancel."""


async def _sign(connection: "Connection") -> None:
    """Ask the server for nothing."""
    await connection.execute("SELECT")


class _NamedApart(asyncpg.Connection):
    """Names its statements apart from other processes', which a pooler may have on the same connection."""

    def _get_unique_id(self, prefix: str) -> str:
        return f"{super()._get_unique_id(prefix)}{self.get_server_pid()}"  # type: ignore[misc]


async def _nothing(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """What is sent when a connection is given back: a statement is its own transaction, and leaves nothing.

    asyncpg's own reset is a round trip a batch, and waits for ever where the answer is lost.
    """


def tls_context(settings: DatabaseSettings) -> ssl.SSLContext | None:
    """A context that verifies the server's certificate and host name; None where TLS is disabled.

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
    """Whether the connection is in order after an error: the server has said it, or it was never sent."""
    return isinstance(
        error, asyncpg.PostgresError | StatementTimeoutError | CatalogRefusedError
    ) and not isinstance(error, asyncpg.PostgresConnectionError)


def _reaction(error: Exception) -> str | None:
    """Which of `run`'s retries an error is for."""
    if isinstance(error, TimeoutError) or _is_misuse(error):
        return None
    if not isinstance(error, asyncpg.PostgresError):
        return "connection" if isinstance(error, _LOST) else None
    state = error.sqlstate or ""
    if state[:2] in (_TRANSACTION_ROLLBACK, _INVALID_AUTHORIZATION):
        return state[:2]
    if state[:2] == "08" or state in _STALE_CONNECTION_STATES:
        return "connection"
    # Shut down by an administrator: the server, or the one it failed over to, may be back.
    return "connection" if state.startswith("57P") else None


_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def _is_misuse(error: Exception) -> bool:
    # A setting or a value that asyncpg cannot take: no connection would make it better.
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
