"""The embedded servers answer, keep their port and data over outages, and refuse wrong settings."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import aioboto3
import asyncpg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.servers import (
    MotoServer,
    PortTakenError,
    PostgresServer,
    Server,
    ServerError,
    Servers,
    ValkeyServer,
    start_servers,
)
from tests.support.embedded_servers import GONE_SECONDS, ROOT, is_open
from tests.support.polling import until


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with start_servers() as started:
        yield started


async def value(server: PostgresServer, query: str) -> Any:
    connection = await asyncpg.connect(server.address.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close(timeout=1)


def valkey_client(
    server: ValkeyServer, *, timeout_seconds: float = 5, password: str | None = None
) -> "closing[redis.Redis]":
    address = server.address
    once = Retry(NoBackoff(), 0)
    return closing(
        redis.Redis(address.host, address.port, password=password, socket_timeout=timeout_seconds, retry=once)
    )


async def aws_round_trip(endpoint_url: str, service: str, calls: list[tuple[str, dict[str, Any]]]) -> Any:
    session = aioboto3.Session("none", "none", region_name="us-east-1")
    async with session.client(service, endpoint_url=endpoint_url) as client:  # type: ignore[call-overload]
        for call, arguments in calls:
            answer = await getattr(client, call)(**arguments)
    return answer


class TestResponses:
    async def test_postgres_18_with_a_password(self, servers: Servers) -> None:
        assert (await value(servers.postgres, "SHOW server_version")).startswith("18.")
        assert await value(servers.postgres, "SHOW server_encoding") == "UTF8"
        assert await value(servers.postgres, "SHOW fsync") == "off"

    async def test_postgres_refuses_a_wrong_password(self, servers: Servers) -> None:
        address = servers.postgres.address
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host=address.host, port=address.port, user=address.user, password="wrong")

    def test_valkey(self, servers: Servers) -> None:
        with valkey_client(servers.valkey) as client:
            assert client.set("product:1", "{}")
            assert client.get("product:1") == b"{}"

    @pytest.mark.parametrize(
        ("service", "calls", "key"),
        [
            (
                "kinesis",
                [("create_stream", {"StreamName": "s", "ShardCount": 1}), ("list_streams", {})],
                "StreamNames",
            ),
            ("s3", [("create_bucket", {"Bucket": "archive"}), ("list_buckets", {})], "Buckets"),
            ("sqs", [("create_queue", {"QueueName": "dlq"}), ("list_queues", {})], "QueueUrls"),
            (
                "secretsmanager",
                [("create_secret", {"Name": "a", "SecretString": "b"}), ("list_secrets", {})],
                "SecretList",
            ),
        ],
    )
    async def test_moto(
        self, servers: Servers, service: str, calls: list[tuple[str, dict[str, Any]]], key: str
    ) -> None:
        answer = await aws_round_trip(servers.moto.endpoint_url, service, calls)
        assert len(answer[key]) == 1

    def test_on_loopback_only(self, servers: Servers) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
            try:
                outward.connect(("192.0.2.1", 9))  # sends nothing, only selects the address to send from
            except OSError:
                pytest.skip("this machine has no address but loopback")
            address = outward.getsockname()[0]
        for server in (servers.postgres, servers.valkey, servers.moto):
            assert is_open(server.port)
            assert not is_open(server.port, address)


class TestOutages:
    @pytest.mark.parametrize("outage", [Server.stop, Server.kill])
    async def test_postgres_keeps_port_and_rows(self, outage: Callable[[Server], None]) -> None:
        with PostgresServer() as server:
            before = server.address
            await value(server, "CREATE TABLE kept AS SELECT 42 AS answer")
            outage(server)
            assert not server.is_running
            assert not is_open(before.port)
            server.start()
            assert server.address == before
            assert await value(server, "SELECT answer FROM kept") == 42

    @pytest.mark.parametrize("durable", [False, True])
    def test_valkey_keeps_port_and_if_durable_its_keys(self, *, durable: bool) -> None:
        with ValkeyServer(durable=durable) as server:
            port = server.port
            with valkey_client(server) as client:
                client.set("kept", "1")
            server.kill()
            assert not is_open(port)
            server.start()
            assert server.port == port
            with valkey_client(server) as client:
                assert client.exists("kept") == durable

    async def test_moto_keeps_its_port(self) -> None:
        with MotoServer() as server:
            endpoint_url = server.endpoint_url
            server.stop()
            server.start()
            assert server.endpoint_url == endpoint_url
            assert (await aws_round_trip(endpoint_url, "s3", [("list_buckets", {})]))["Buckets"] == []

    async def test_paused_postgres_keeps_connections_and_continues(self, servers: Servers) -> None:
        connection = await asyncpg.connect(servers.postgres.address.dsn)
        servers.postgres.pause()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                asyncio.shield(asyncio.ensure_future(connection.fetchval("SELECT 1"))), 0.2
            )
        servers.postgres.resume()
        await connection.close()
        assert await value(servers.postgres, "SELECT 1") == 1

    def test_paused_valkey_times_out_and_continues(self, servers: Servers) -> None:
        with valkey_client(servers.valkey, timeout_seconds=0.2) as client:
            client.ping()
            servers.valkey.pause()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            servers.valkey.resume()
            assert client.ping()

    @pytest.mark.parametrize("end", [Server.stop, Server.kill, Server.close])
    def test_a_paused_server_can_be_ended(self, end: Callable[[Server], None]) -> None:
        with ValkeyServer() as server:
            port = server.port
            server.pause()
            end(server)
            assert not is_open(port)

    def test_a_server_that_ended_by_itself_is_noticed(self) -> None:
        with ValkeyServer() as server:
            os.kill(server.pid, signal.SIGKILL)
            until(lambda: not server.is_running, "the end of Valkey is noticed", GONE_SECONDS)
            server.start()
            assert is_open(server.port)


class TestSettings:
    async def test_postgres(self) -> None:
        with PostgresServer(durable=True, settings={"max_connections": "17"}) as server:
            assert await value(server, "SHOW fsync") == "on"
            assert await value(server, "SHOW max_connections") == "17"

    def test_valkey(self) -> None:
        with ValkeyServer(password="correct", settings={"maxmemory": "5mb"}) as server:
            with valkey_client(server, password=server.address.password) as client:
                assert client.config_get("maxmemory") == {"maxmemory": "5242880"}
            with valkey_client(server) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()


class TestRefusals:
    def test_wrong_setting_shows_the_log_and_leaves_nothing(self) -> None:
        server = PostgresServer(settings={"no_such_setting": "1"})
        with pytest.raises(ServerError, match="unrecognized configuration parameter"):
            server.start()
        assert not server.is_running
        with pytest.raises(ServerError, match="before its first start"):
            _ = server.directory

    @pytest.mark.parametrize("kind", [PostgresServer, ValkeyServer, MotoServer])
    def test_port_taken_during_an_outage(self, kind: type[Server]) -> None:
        with kind() as server:
            server.stop()
            with (
                socket.create_server(("127.0.0.1", server.port)),
                pytest.raises(PortTakenError, match=str(server.port)),
            ):
                server.start()
            server.start()

    def test_started_twice(self) -> None:
        with ValkeyServer() as server, pytest.raises(ServerError, match="running already"):
            server.start()

    def test_not_running(self) -> None:
        server = ValkeyServer()
        with pytest.raises(ServerError, match="not running"):
            server.pause()
        with pytest.raises(ServerError, match="before its first start"):
            _ = server.port
        server.stop()
        server.close()

    @pytest.mark.parametrize("kind", ["PostgresServer", "ValkeyServer", "MotoServer"])
    def test_missing_package_says_what_to_run(self, kind: str) -> None:
        program = f"from local.servers import {kind}; {kind}().start()"
        # -S hides the virtual environment's packages.
        assert "run `make setup`" in failing([sys.executable, "-S", "-c", program])

    def test_no_temporary_directory(self) -> None:
        program = (
            "import tempfile; tempfile.tempdir = '/no-such-directory'\n"
            "from local.servers import ValkeyServer; ValkeyServer().start()"
        )
        assert "set TMPDIR to a writable one" in failing([sys.executable, "-c", program])


def failing(command: list[str]) -> str:
    """Return the standard error of a command that must fail."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    assert ended.returncode
    return ended.stderr
