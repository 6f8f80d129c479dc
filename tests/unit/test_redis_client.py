"""The client's time limits: a stalled cache must not delay a batch."""

import asyncio
from typing import cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from processor.adapters.redis_client import PatientPool, redis_client
from processor.ports import INVALIDATION_SECONDS


def test_the_client_gives_up_soon_and_tries_once_more_at_most() -> None:
    """Check the design's limits: 0.3 s per command, and one retry."""
    client = redis_client(host="127.0.0.1", port=1, tls=False, login=None, max_connections=1)
    options = client.connection_pool.connection_kwargs
    assert 0 < options["socket_timeout"] <= 0.3
    assert options["retry"].get_retries() <= 1
    assert INVALIDATION_SECONDS <= 1.5


@pytest.mark.parametrize(("host", "server_name"), [("cache.internal", None), ("localhost", "cache.internal")])
def test_tls_is_verified_by_name(host: str, server_name: str | None) -> None:
    """Check for a certificate of the host, from an authority that the system trusts."""
    client = redis_client(
        host=host, port=6379, tls=True, login=None, max_connections=1, server_name=server_name
    )
    connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    context = connection.ssl_context.get()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    arguments = connection._connection_arguments()
    assert (arguments["server_hostname"], arguments["ssl"]) == ("cache.internal", context)


async def test_a_connection_that_was_begun_early_is_the_next_callers() -> None:
    accepted = asyncio.Queue[None]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(None)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = redis_client(host="127.0.0.1", port=port, tls=False, login=None, max_connections=2)
    pool = cast("PatientPool", client.connection_pool)
    pool.connect_early()
    await accepted.get()
    while pool._pending:
        await asyncio.wait(set(pool._pending))
    await pool.get_connection()
    assert accepted.empty()
    await client.aclose()
    server.close()


async def test_a_closed_client_does_not_connect_again() -> None:
    """Check this for a new command, and for one whose connection was closed meanwhile."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:

        await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = redis_client(host="127.0.0.1", port=port, tls=False, login=None, max_connections=2)
    connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    assert connection.is_connected
    await client.aclose()
    with pytest.raises(RedisConnectionError, match="closed"):
        await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    with pytest.raises(RedisConnectionError, match="closed"):
        await connection.connect()
    assert not connection.is_connected
    server.close()
