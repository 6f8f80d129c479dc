"""TLS to AWS: both ways verify the certificate and the host's name."""

import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trustme
from botocore.exceptions import SSLError

from processor.adapters.aws_clients import AwsClients
from processor.adapters.careful_aws import CarefulAws, session_credentials
from processor.adapters.checked_session import open_session
from processor.adapters.http_exchange import Exchanges, Expected, Server
from processor.adapters.ordinary_aws import OrdinaryAws
from processor.adapters.secrets import read_secret
from processor.errors import DependencyError
from tests.support.real_servers import environment_variables
from tests.support.scripted_http import DONE, ScriptedServer, scripted_server

REQUEST = b"PUT / HTTP/1.1\r\nuser-agent: product-catalog-pipeline\r\n\r\n"


@pytest.fixture
def authority() -> trustme.CA:
    """Return an authority of certificates."""
    return trustme.CA()


@asynccontextmanager
async def server_named(name: str, authority: trustme.CA) -> AsyncIterator[ScriptedServer]:
    """Run a server with a certificate for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    async with scripted_server(context) as server:
        yield server


def trust(authority: trustme.CA) -> ssl.SSLContext:
    """Return a client's context, as the fast way's, that trusts an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def test_a_connection_with_tls_is_kept(authority: trustme.CA) -> None:
    exchanges = Exchanges(lambda: trust(authority))
    async with server_named("localhost", authority) as server, aclosing(exchanges):
        for _ in range(2):
            answer = await exchanges.ask(Server("localhost", server.port, tls=True), REQUEST, Expected())
            assert answer is not None
            assert answer.status == 200
        assert server.connections == 1


@pytest.mark.parametrize("name", ["other.example", "localhost.example"])
async def test_another_hosts_certificate_is_no_answer(name: str, authority: trustme.CA) -> None:
    exchanges = Exchanges(lambda: trust(authority))
    async with server_named(name, authority) as server:
        assert await exchanges.ask(Server("localhost", server.port, tls=True), REQUEST, Expected()) is None
        assert not server.fast


async def test_no_tls_where_it_is_expected_is_no_answer(authority: trustme.CA) -> None:
    exchanges = Exchanges(lambda: trust(authority), patience_seconds=0.3)
    async with scripted_server() as server:
        assert await exchanges.ask(Server("localhost", server.port, tls=True), REQUEST, Expected()) is None


async def secret(port: int, **more: str) -> dict[str, object]:
    """Read a secret from a server on this machine, with the variables that processes have and more."""
    variables = {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": f"https://localhost:{port}",
    } | more
    ordinary = OrdinaryAws("us-east-1", variables)
    async with aclosing(AwsClients(ordinary, CarefulAws("us-east-1", by_path=True))) as clients:
        with environment_variables(variables):
            return await read_secret(clients, "arn")


async def test_an_unknown_authority_is_refused_by_both(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    async with server_named("localhost", authority) as server:
        with pytest.raises(DependencyError, match="certificate verify failed"):
            await secret(server.port)
        assert not server.fast
        assert not server.careful


@pytest.mark.parametrize("name", ["localhost", "other.example"])
async def test_aioboto3_checks_the_hosts_name(name: str, authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    async with server_named(name, authority) as server:
        server.careful_answer = DONE.replace(b" 0\r", b" 22\r") + b'{"SecretString": "{}"}'
        if name == "localhost":
            assert await secret(server.port, AWS_CA_BUNDLE=str(bundle)) == {}
            assert server.careful
        else:
            with pytest.raises(DependencyError, match=r"[Hh]ostname mismatch"):
                await secret(server.port, AWS_CA_BUNDLE=str(bundle))
            assert not server.careful


async def test_so_does_a_client_that_a_session_makes_to_find_credentials(
    authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    token = tmp_path / "token"
    token.write_text("secret token")
    async with server_named("other.example", authority) as server:
        variables = {
            "AWS_ENDPOINT_URL_STS": f"https://localhost:{server.port}",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/shop",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_CA_BUNDLE": str(bundle),
        }
        with environment_variables(variables):
            session = open_session(region_name="us-east-1")
            with pytest.raises(SSLError, match=r"[Hh]ostname mismatch"):
                await session_credentials(session)
        assert not server.careful
