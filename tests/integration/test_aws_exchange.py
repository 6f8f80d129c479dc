"""The fast way to AWS on a real socket: after anything but a clear answer, aioboto3 calls again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from processor.adapters.aws_clients import AwsClients
from processor.adapters.careful_aws import CarefulAws
from processor.adapters.http_exchange import IDLE_SECONDS, Exchanges, Expected, Server
from processor.adapters.ordinary_aws import OrdinaryAws
from processor.adapters.s3 import S3Archive
from processor.adapters.secrets import read_secret
from processor.errors import DependencyError
from tests.support.events import record
from tests.support.real_servers import environment_variables, until
from tests.support.scripted_http import DONE, Call, Script, ScriptedServer, scripted_server, sends

PATIENCE_SECONDS = 0.3
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
SECRET = b'{"SecretString": "{}"}'


@asynccontextmanager
async def open_clients(
    *, idle_seconds: float = IDLE_SECONDS, **more: str
) -> AsyncIterator[tuple[AwsClients, ScriptedServer]]:
    """Run a scripted server; yield clients for it, with more environment variables, and the server."""
    async with scripted_server() as server:
        variables = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        } | more
        exchanges = Exchanges(_no_tls, patience_seconds=PATIENCE_SECONDS, idle_seconds=idle_seconds)
        clients = AwsClients(
            OrdinaryAws("us-east-1", variables, exchanges), CarefulAws("us-east-1", by_path=True)
        )
        with environment_variables(variables):
            async with aclosing(clients):
                yield clients, server


def _no_tls() -> ssl.SSLContext:
    raise AssertionError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no settings of AWS in the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))


async def put(clients: AwsClients, number: int = 0) -> None:
    """Put one record into the archive."""
    one = record(f'{{"product_id":"a","inventory":{number}}}', number)
    await S3Archive(clients, "archive").put([one], ["accepted"])


async def resets(call: Call) -> None:
    call.reset()


async def hangs(call: Call) -> None:
    """Send nothing."""


async def hangs_in_the_head(call: Call) -> None:
    call.send(DONE[:20])


def ends(data: bytes) -> Script:
    """Return a script that sends this and closes."""

    async def script(call: Call) -> None:
        call.send(data)
        call.close()

    return script


def headers(head: bytes) -> dict[str, str]:
    """Return a request's first line, as header "", and its headers by lower-case name."""
    first, *lines = head.decode().strip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return {"": first, **{name.lower(): value for name, value in pairs}}


def status(line: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (line, len(body), body)


UNCLEAR = {
    "500": sends(status(b"500 Internal Server Error", b"<Error/>")),
    "503": sends(status(b"503 Slow Down", b"<Error/>")),
    "403": sends(status(b"403 Forbidden", b"<Error/>")),
    "409": sends(status(b"409 Conflict", b"<Error/>")),
    "307": sends(status(b"307 Temporary Redirect")),
    "201": sends(status(b"201 Created")),
    "204": sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "100 first": sends(b"HTTP/1.1 100 Continue\r\n\r\n" + DONE),
    "HTTP/1.0": sends(DONE.replace(b"1.1", b"1.0")),
    "no HTTP": sends(b"+OK\r\n\r\n"),
    "reset": resets,
    "closed": ends(b""),
    "half a head": ends(DONE[:30]),
    "half a body": ends(status(b"200 OK", b"12345")[:-1]),
    "stalls before the head": hangs,
    "stalls in the head": hangs_in_the_head,
    "a huge head": sends(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "an endless head": sends(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000),
    "a line that is no header": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n folded\r\n\r\n"),
    "chunked": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked, with a length": sends(DONE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"),
    "encoded": sends(DONE[:-2] + b"Content-Encoding: gzip\r\n\r\n"),
    "no length": ends(b"HTTP/1.1 200 OK\r\n\r\n"),
    "two lengths": sends(DONE[:-2] + b"Content-Length: 0\r\n\r\n"),
    "a negative length": sends(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    "an absurd length": sends(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    "a body": sends(status(b"200 OK", b"<Error/>")),
    "more than the body": sends(DONE + b"x"),
    "two answers": sends(DONE + DONE),
}


@pytest.mark.parametrize("name", UNCLEAR)
async def test_after_anything_else_aioboto3_puts_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with open_clients() as (clients, server):
        server.scripts = [UNCLEAR[name]]
        await put(clients)
        assert [call.body for call in server.fast] == server.careful
        await until(_is_true(server.fast[0].writer.transport.is_closing))
        # And nothing of that answer is left for the next request.
        server.scripts = [sends(KEPT)]
        await put(clients, 1)
        assert [call.connection for call in server.fast] == [0, server.fast[1].connection]
        assert server.fast[1].connection != 0
        assert len(server.careful) == 1
    assert not [entry for entry in caplog.records if entry.name == "asyncio"]


async def test_both_ways_send_s3_the_same() -> None:
    async with open_clients(AWS_SESSION_TOKEN="token") as (clients, server):
        server.scripts = [resets]
        await put(clients)
        ours, theirs = headers(server.fast[0].head), headers(server.careful_heads[0])
    for several in (ours, theirs):
        for name in ("user-agent", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request"):
            several.pop(name, None)
        # The time is part of the signature.
        several["authorization"] = several["authorization"].partition("Signature=")[0]
    assert ours.items() <= theirs.items()
    assert theirs.keys() - ours.keys() == {"accept", "accept-encoding"}


@pytest.mark.parametrize("checksum", [b"", b"AAAA"], ids=["none", "another's"])
async def test_an_answer_without_this_objects_checksum_is_not_the_answer(checksum: bytes) -> None:
    async with open_clients() as (clients, server):

        async def done(call: Call) -> None:
            call.send(DONE, checksum=checksum)

        server.scripts = [done]
        await put(clients)
        assert [call.body for call in server.fast] == server.careful


async def test_an_answer_that_comes_twice_is_not_the_next_puts() -> None:
    async with open_clients() as (clients, server):

        async def the_answer_before(call: Call) -> None:
            server.fast[0].send(DONE)
            call.send(status(b"503 Slow Down"))

        server.scripts = [sends(DONE), the_answer_before]
        await put(clients, 0)
        await put(clients, 1)
        assert [call.connection for call in server.fast] == [0, 0]
        assert server.careful == [server.fast[1].body]


async def test_a_head_of_blanks_is_read_at_once() -> None:
    """Python's search for the end of such a value would take hours."""
    async with open_clients() as (clients, server):
        server.scripts = [sends(b"HTTP/1.1 200 OK\r\nx:" + b" " * 16_000 + b"\xff\r\n\r\n")]
        await put(clients)
        assert len(server.careful) == 1


@pytest.mark.parametrize("name", ["500", "reset", "stalls before the head"])
async def test_if_aioboto3_fails_too_it_is_an_error(name: str) -> None:
    async with open_clients() as (clients, server):
        server.scripts = [UNCLEAR[name]]
        server.careful_answer = status(b"403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")
        with pytest.raises(DependencyError, match="AccessDenied"):
            await put(clients)


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (DONE, 1),
        (KEPT, 1),
        (b"HTTP/1.1 200 \r\nServer: a\r\nServer: b\r\ncontent-length:0\r\n\r\n", 1),
        (DONE[:-2] + b"Connection: close\r\n\r\n", 3),
        (status(b"412 Precondition Failed", b"<Error/>"), 3),
        (b"HTTP/1.1 412 Precondition Failed\r\nTransfer-Encoding: chunked\r\n\r\n", 3),
    ],
)
async def test_a_clear_answer_is_enough(answer: bytes, connections: int) -> None:
    async with open_clients() as (clients, server):
        server.scripts = [sends(answer)] * 3
        for number in range(3):
            await put(clients, number)
        assert len(server.fast) == 3
        assert server.connections == connections
        if connections > 1:
            await until(_is_true(server.fast[2].writer.transport.is_closing))
        assert not server.careful


async def test_an_answer_in_pieces_is_clear() -> None:
    async def in_pieces(call: Call) -> None:
        for byte in call.with_checksum(KEPT):
            call.send(bytes([byte]))
            await call.writer.drain()
            await asyncio.sleep(0)

    async with open_clients() as (clients, server):
        server.scripts = [in_pieces]
        await put(clients)
        await put(clients, 1)
        assert server.connections == 1
        assert not server.careful


async def test_concurrent_puts_have_a_connection_each() -> None:
    waiting: list[Call] = []

    async def answers_the_last_first(call: Call) -> None:
        waiting.append(call)
        if len(waiting) == 2:
            for one in reversed(waiting):
                one.send(KEPT)

    async with open_clients() as (clients, server):
        server.scripts = [answers_the_last_first] * 2
        await asyncio.gather(put(clients), put(clients, 1))
        assert server.connections == 2
        assert not server.careful


async def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    async with open_clients() as (clients, server):
        server.scripts = [ends(KEPT), ends(KEPT)]
        for number in range(3):
            await put(clients, number)
        assert len(server.fast) == 3
        assert not server.careful


async def test_a_connection_that_was_idle_for_too_long_is_not_used() -> None:
    async with open_clients(idle_seconds=0) as (clients, server):
        for number in range(2):
            await put(clients, number)
        assert [call.connection for call in server.fast] == [0, 1]
        assert not server.careful


async def test_a_connection_that_is_closed_when_it_is_used_is_replaced_once() -> None:
    async with open_clients() as (clients, server):
        server.scripts = [sends(KEPT), resets]
        await put(clients)
        await put(clients, 1)
        assert [call.connection for call in server.fast] == [0, 0, 1]
        assert not server.careful
        server.scripts = [resets, resets]
        await put(clients, 2)
        assert [call.connection for call in server.fast[3:]] == [1, 2]
        assert len(server.careful) == 1


async def test_what_an_idle_connection_receives_is_nobodys_answer(caplog: pytest.LogCaptureFixture) -> None:
    async with open_clients() as (clients, server):
        await put(clients)
        server.fast[0].send(DONE)
        await until(_is_true(server.fast[0].writer.transport.is_closing))
        server.scripts = [resets]
        await put(clients, 1)
        assert server.fast[1].connection == 1
        assert len(server.careful) == 1
    assert not [entry for entry in caplog.records if entry.name == "asyncio"]


async def test_a_cancelled_put_leaves_no_answer_for_the_next() -> None:
    async with open_clients() as (clients, server):
        await put(clients)
        server.scripts = [hangs]
        putting = asyncio.create_task(put(clients, 1))
        await until(_is_true(lambda: len(server.fast) == 2))
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        server.fast[1].send(DONE)
        server.scripts = [resets]
        await put(clients, 2)
        assert [call.connection for call in server.fast] == [0, 0, 1]
        assert len(server.careful) == 1


async def test_an_answer_before_the_object_was_sent_does_not_count() -> None:
    body = bytes(64 * 1024 * 1024)
    async with open_clients() as (clients, server):
        server.reads_bodies = False
        await clients.put_object(
            Bucket="archive",
            Key="key",
            Body=body,
            ContentType="application/gzip",
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            IfNoneMatch="*",
        )
        assert [len(put) for put in server.careful] == [len(body)]


@pytest.mark.parametrize(
    ("answer", "is_clear"),
    [
        (status(b"200 OK", SECRET), True),
        (status(b"200 OK", SECRET + b" " * 200_000), True),
        (status(b"200 OK", SECRET + b" ")[:-1], False),
        (DONE, False),
        (status(b"200 OK", b"{}"), False),
        (status(b"200 OK", b'{"SecretString": 5}'), False),
        (status(b"200 OK", b'["SecretString"]'), False),
        (status(b"200 OK", b"\xff"), False),
        (status(b"200 OK", b"[" * 100_000), False),
        (status(b"412 Precondition Failed"), False),
        (status(b"400 Bad Request", b'{"__type":"ResourceNotFoundException"}'), False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + SECRET, False),
        (status(b"200 OK", SECRET + b" " * 600_000), False),
    ],
)
async def test_a_secret_is_a_text_in_json(answer: bytes, *, is_clear: bool) -> None:
    async with open_clients() as (clients, server):
        server.scripts = [ends(answer)]
        server.careful_answer = status(b"200 OK", b'{"SecretString": "{\\"careful\\": 1}"}')
        assert await read_secret(clients, "arn") == ({} if is_clear else {"careful": 1})
        assert server.fast[0].body == b'{"SecretId": "arn"}'
        assert len(server.careful) == (not is_clear)


@pytest.mark.parametrize("host", ["127.0.0.1", "x" * 64, "-.-"])
async def test_no_connection_is_no_answer(host: str) -> None:
    async with scripted_server() as server:
        port = server.port
    exchanges = Exchanges(_no_tls, patience_seconds=PATIENCE_SECONDS)
    assert await exchanges.ask(Server(host, port, tls=False), b"GET / HTTP/1.1\r\n\r\n", Expected()) is None


def _is_true(condition: Callable[[], bool]) -> Callable[[], Awaitable[object]]:
    async def check() -> bool:
        return condition()

    return check
