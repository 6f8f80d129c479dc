"""The client of Redis or Valkey that the processor and the shop's readers share."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor.event_loop import Lookups

COMMAND_TIMEOUT_SECONDS = 0.3
# For name, TCP, TLS, the password's secret and AUTH. Callers do not wait that long, see `PatientPool`.
CONNECT_TIMEOUT_SECONDS = 3.0


def redis_client(
    *,
    host: str,
    port: int,
    tls: bool,
    login: CredentialProvider | None,
    max_connections: int,
    ca_file: Path | None = None,
    server_name: str | None = None,
    lookups: Lookups | None = None,
) -> Redis:
    """Return a client that gives up soon; redis-py's defaults hang on a stalled server for over 20 s.

    `tls`: verify the server's certificate and name, with the system's certificates and `ca_file`.
    `server_name`: the name, if it is not the host's. `lookups`: how the host's name is looked up; None for
    threads of the client's own.
    """
    options: dict[str, Any] = {"connection_class": _Plain}
    if tls:
        options = {
            "connection_class": _Secure,
            "ssl_ca_certs": ca_file and str(ca_file),
            "server_name": server_name or host,
        }
    pool = PatientPool(
        host=host,
        port=port,
        credential_provider=login,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        # READONLY: the connection leads to the primary from before a failover.
        retry=Retry(NoBackoff(), 1, (RedisConnectionError, RedisTimeoutError, ReadOnlyError)),
        # With RESP3, redis-py 8.1 hands out connections that the server has closed, and its login takes one
        # more round trip.
        protocol=2,
        driver_info=None,
        max_connections=max_connections,
        timeout=CONNECT_TIMEOUT_SECONDS,
        lookups=lookups or Lookups(),
        **options,
    )
    return Redis.from_pool(pool)


class PatientPool(BlockingConnectionPool):
    """A pool that waits at its limit, and that finishes connecting even if the caller stops waiting.

    Otherwise a caller with little time could never log in to a cache where that takes a little longer: each
    attempt would throw away what the last one had begun.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(redis_connect_func=self._log_in, **options)
        self._closed = False
        self._pending: set[asyncio.Task[Any]] = set()

    async def get_connection(
        self, command_name: object = None, *keys: object, **options: object
    ) -> AbstractConnection:
        """Return a ready connection; if the caller is cancelled, it will be ready for the next one."""
        del command_name, keys, options
        self._check_open()
        getting = self._start(super().get_connection())  # type: ignore[no-untyped-call]
        try:
            return await asyncio.shield(getting)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if getting.cancelled() and caller is not None and not caller.cancelling():
                raise RedisConnectionError("the client is closed") from None
            getting.add_done_callback(self._keep)
            raise

    def connect_early(self) -> None:
        """Begin to connect; if that succeeds, the connection will be ready for the next caller."""
        getting = self._start(super().get_connection())  # type: ignore[no-untyped-call]
        getting.add_done_callback(self._keep)

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Connect, log in and check that nothing is left to read, within one limit for all of it."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await super().ensure_connection(connection)
        except TimeoutError as error:
            raise RedisTimeoutError(f"no connection within {CONNECT_TIMEOUT_SECONDS:g} s") from error

    async def release(self, connection: AbstractConnection) -> None:
        """Return a connection to the pool, even if the caller is cancelled meanwhile."""
        await asyncio.shield(self._start(super().release(connection)))

    async def aclose(self) -> None:
        """Close all connections, including those still connecting; no other is opened afterwards."""
        self._closed = True
        while pending := set(self._pending):
            for task in pending:
                task.cancel()
            await asyncio.wait(pending)
        await super().aclose()

    async def _log_in(self, connection: AbstractConnection) -> None:
        # redis-py reconnects without the pool for a command whose connection was closed.
        self._check_open()
        await _log_in(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise RedisConnectionError("the client is closed")

    def _start(self, work: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return task

    def _keep(self, getting: "asyncio.Task[Any]") -> None:
        if not getting.cancelled() and getting.exception() is None:
            self._start(super().release(getting.result()))


class _Plain(Connection):
    """A connection that looks its host up by `Lookups`, and reconnects where the other side has reset it.

    On the shop's own event loop, a name that hangs must not use up the loop's threads. So redis-py is given
    numeric addresses, for which asyncio needs no thread.

    redis-py writes even to a connection that was reset, with `writelines`. In CPython before September 2025
    this leaves the closed socket in the loop's selector, where it breaks the next connection with the same
    file descriptor: https://github.com/python/cpython/issues/136234.
    """

    def __init__(self, *, lookups: Lookups, **options: Any) -> None:
        super().__init__(**options)
        self._lookups = lookups
        self._address = self.host

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002
        if self._writer is not None and self._writer.is_closing():
            await self.disconnect(nowait=True)
        await super().send_packed_command(command, check_health)

    def pack_command(self, *args: Any) -> list[bytes]:
        # A sixth of the time that redis-py takes, which encodes each key in Python. Like it, this sends the
        # words of a command's name apart.
        name, *arguments = args
        return [hiredis.pack_command((*name.split(), *arguments))]

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            found = await self._lookups.find(self.host, self.port, 0, socket.SOCK_STREAM)
            refused: OSError | None = None
            for *_, address in found:
                self._address = address[0]
                try:
                    await super()._connect()  # type: ignore[no-untyped-call]
                except OSError as error:
                    refused = error
                else:
                    return
            raise refused or OSError(f"{self.host} has no address")

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "host": self._address}


class _Secure(_Plain, SSLConnection):
    def __init__(self, *, server_name: str, **options: Any) -> None:
        super().__init__(**options)
        self._server_name = server_name

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self._server_name}


async def _log_in(connection: AbstractConnection) -> None:
    """Do what redis-py does with a new connection, but allow more time for the login than for a command.

    Also close the connection if the login is cancelled. redis-py does not, and its next user would not be
    logged in.
    """
    connection.socket_timeout = CONNECT_TIMEOUT_SECONDS
    try:
        await connection.on_connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        connection.socket_timeout = COMMAND_TIMEOUT_SECONDS
