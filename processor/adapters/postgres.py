"""A pool of connections to the catalog's database, and how each kind of failure is met."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import asyncpg

from processor.errors import CatalogRefused, DependencyFailed, SettingsError
from processor.settings import DatabaseSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS: Final = 5.0
# Connections idle for longer may have been dropped without a word by what lies between.
IDLE_LIFETIME_SECONDS: Final = 240.0

# https://www.postgresql.org/docs/18/errcodes-appendix.html
_DEPENDENCY_CLASSES: Final = frozenset({"08", "53", "55", "57", "58"})
_REFUSED_CLASSES: Final = frozenset({"22", "23"})
_TRANSACTION_ROLLBACK: Final = "40"
_INVALID_AUTHORIZATION: Final = "28"
_STALE_CONNECTION_STATES: Final = frozenset({"25006", "0A000"})
_TRANSACTION_RETRIES: Final = 3


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

    def take_peak_in_use(self) -> int:
        """The most connections that were busy at once since this was last asked."""
        peak, self._peak_in_use = self._peak_in_use, 0
        return peak

    async def run(self, operation: Callable[["Connection"], Awaitable[T]]) -> T:
        """The operation's result. It may run more than once, so it must be safe to repeat.

        Raises:
            DependencyFailed: the database cannot be reached, is not able, or did not answer in time.
            CatalogRefused: the table refuses a value.
            asyncpg.PostgresError: nobody foresaw it.
        """
        retries = {_TRANSACTION_ROLLBACK: _TRANSACTION_RETRIES, _INVALID_AUTHORIZATION: 1, "connection": 1}
        while True:
            try:
                return await self._once(operation)
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                reaction = _reaction(error)
                if reaction is None or not retries[reaction]:
                    raise _ours(error) from error
                retries[reaction] -= 1
            if reaction == _INVALID_AUTHORIZATION:
                self.terminate()
            elif reaction == "connection" and self._pool is not None:
                await self._pool.expire_connections()

    def terminate(self) -> None:
        """Drop all connections at once; the next use opens new ones."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _once(self, operation: Callable[["Connection"], Awaitable[T]]) -> T:
        pool = await self._opened_pool()
        connection = await pool.acquire(timeout=None)
        self._peak_in_use = max(self._peak_in_use, pool.get_size() - pool.get_idle_size())
        try:
            return await operation(connection)
        except (asyncio.CancelledError, TimeoutError):
            # Giving it back would wait for a server that may never answer (asyncpg issue 431).
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

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
                    server_settings={"application_name": "inventory-processor"},
                )
            return self._pool


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


def _reaction(error: Exception) -> str | None:
    """Which of `run`'s retries an error is for."""
    if isinstance(error, TimeoutError):
        return None
    if not isinstance(error, asyncpg.PostgresError):
        return None if _is_refusal(error) else "connection"
    state = error.sqlstate or ""
    if state[:2] in (_TRANSACTION_ROLLBACK, _INVALID_AUTHORIZATION):
        return state[:2]
    if state[:2] == "08" or state in _STALE_CONNECTION_STATES:
        return "connection"
    # Shut down by an administrator: the server, or the one it failed over to, may be back.
    return "connection" if state.startswith("57P") else None


def _is_refusal(error: Exception) -> bool:
    # asyncpg refuses values it cannot encode before it sends them, as an InterfaceError and ValueError.
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def _ours(error: Exception) -> Exception:
    # Without DETAIL and HINT, which quote rows and may differ from one attempt to the next.
    message = f"database: {type(error).__name__}: {error.args[0] if error.args else error}"
    if not isinstance(error, asyncpg.PostgresError):
        return CatalogRefused(message) if _is_refusal(error) else DependencyFailed(message)
    state = error.sqlstate or ""
    if state[:2] in _REFUSED_CLASSES:
        return CatalogRefused(f"{message} ({state})")
    retried = state[:2] in (_TRANSACTION_ROLLBACK, _INVALID_AUTHORIZATION) or state == "25006"
    if retried or state[:2] in _DEPENDENCY_CLASSES:
        return DependencyFailed(f"{message} ({state})")
    return error
