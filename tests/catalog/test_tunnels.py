"""Through a tunnel the database's certificate is still checked for the database's own name."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aioboto3
import asyncpg
import pytest
import trustme

from catalog.environment import Environment, find_environment
from catalog.tunnels import tls_context
from tests.integration.test_tls import ca_file, tls_front
from tests.support.real_servers import Services

NAME = "product-catalog-dev.abc.us-east-1.rds.amazonaws.com"


async def connect(services: Services, port: int, context: ssl.SSLContext) -> int:
    address = services.postgres
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=port,
        user=address.user,
        password=address.password,
        database=address.database,
        ssl=context,
    )
    answer: int = await connection.fetchval("SELECT 1")
    await connection.close()
    return answer


async def test_the_end_of_a_tunnel_may_have_any_name(services: Services, tmp_path: Path) -> None:
    authority = trustme.CA()
    path = Path(ca_file(authority, tmp_path))
    async with tls_front(services, NAME, authority) as port:
        assert await connect(services, port, tls_context(path, NAME)) == 1
        for refused in (None, "other.example"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(services, port, tls_context(path, refused))


class _Account:
    """An account whose parameter has these members."""

    region_name = "us-east-1"

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    @asynccontextmanager
    async def client(self, service: str, **_: object) -> AsyncIterator["_Account"]:
        assert service == "ssm"
        yield self

    async def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 as in AWS
        assert Name == "/product-catalog/dev"
        return {"Parameter": {"Value": json.dumps(self._members)}}


async def test_a_tunnels_end_is_the_host_and_the_stacks_name_the_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    members = dict.fromkeys(Environment.__dataclass_fields__, "")
    account = _Account(members | {"database_host": NAME, "cache_host": "cache.example"})
    monkeypatch.setenv("CATALOG_DATABASE_HOST", "localhost")
    monkeypatch.delenv("CATALOG_CACHE_HOST", raising=False)
    found = await find_environment("dev", lambda: cast("aioboto3.Session", account))
    assert (found.database_host, found.database_tls_name) == ("localhost", NAME)
    assert (found.cache_host, found.cache_tls_name) == ("cache.example", "")
