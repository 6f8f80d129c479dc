"""TLS to the database, verified against a real handshake (the embedded PostgreSQL itself knows no TLS)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.support.events import kinesis_event, kinesis_record, sequence
from tests.support.real_servers import ALL_DONE, Services

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
UNFINISHED = {"batchItemFailures": [{"itemIdentifier": sequence(0)}]}
# https://www.postgresql.org/docs/18/protocol-message-formats.html: SSLRequest
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


@asynccontextmanager
async def tls_front(services: Services, server_name: str, authority: trustme.CA) -> AsyncIterator[int]:
    """Serve PostgreSQL's SSLRequest and the TLS handshake, and forward the rest; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(server_name).configure_cert(context)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
            writer.close()  # like a server that forces TLS
            return
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            writer.close()
            return
        back = await asyncio.open_connection(services.postgres.host, services.postgres.port)
        await asyncio.gather(pass_on(reader, back[1]), pass_on(back[0], writer))

    server = await asyncio.start_server(tracked(serve, tasks), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def tracked(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tasks: "set[asyncio.Task[None]]",
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return the same callback, with its tasks recorded so that they can be cancelled."""

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()
            tasks.discard(task)

    return noted


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until either side ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.transport.abort()


async def invoke(
    services: Services, port: int, *, host: str = "localhost", **variables: str
) -> dict[str, object]:
    """Process a batch of two records through the TLS server."""
    services.account.variables.update({"DB_HOST": host, "DB_PORT": str(port)} | variables)
    texts = ('{"product_id": "a", "inventory": 1}', "bad")
    return await services.invoke(kinesis_event(*(kinesis_record(text, n) for n, text in enumerate(texts))))


def ca_file(authority: trustme.CA, directory: Path) -> str:
    """Write the authority's certificate to a file; return its path."""
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


async def test_a_certificate_of_the_authority_for_the_host_is_accepted(
    services: Services, tmp_path: Path
) -> None:
    authority = trustme.CA()
    async with tls_front(services, "localhost", authority) as port:
        answer = await invoke(services, port, DB_TLS="verify-full", DB_CA_FILE=ca_file(authority, tmp_path))
    assert answer == ALL_DONE
    assert await services.row("a") is not None


async def test_a_certificate_for_another_host_is_refused(services: Services, tmp_path: Path) -> None:
    authority = trustme.CA()
    async with tls_front(services, "database.example", authority) as port:
        answer = await invoke(services, port, DB_TLS="verify-full", DB_CA_FILE=ca_file(authority, tmp_path))
    assert answer == UNFINISHED
    assert await services.row("a") is None


async def test_a_certificate_of_another_authority_is_refused(services: Services, tmp_path: Path) -> None:
    async with tls_front(services, "localhost", trustme.CA()) as port:
        answer = await invoke(
            services, port, DB_TLS="verify-full", DB_CA_FILE=ca_file(trustme.CA(), tmp_path)
        )
    assert answer == UNFINISHED


async def test_by_default_the_shipped_bundle_verifies_the_server(services: Services) -> None:
    del services.account.variables["DB_TLS"]
    async with tls_front(services, "localhost", trustme.CA()) as port:
        assert await invoke(services, port) == UNFINISHED


async def test_a_server_without_tls_is_refused(services: Services) -> None:
    answer = await invoke(services, services.postgres.port, host="127.0.0.1", DB_TLS="verify-full")
    assert answer == UNFINISHED


async def test_a_bundle_without_certificates_is_named(services: Services, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(Exception, match="DB_CA_FILE"):
        await invoke(services, 1, DB_TLS="verify-full", DB_CA_FILE=str(empty))
