"""Real servers and synthesized stacks, made once; a world of its own for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from local.servers import PostgresServer, Servers, ValkeyServer, start_servers
from tests.support.real_servers import World, open_world
from tests.support.synthesized import THROWAWAY, Stack, synthesize


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers all tests share, which none of them may harm."""
    with start_servers() as servers:
        yield servers


@pytest.fixture
async def world(servers: Servers) -> AsyncIterator[World]:
    """A migrated database, an empty cache and empty buckets."""
    async with open_world(servers) as world:
        yield world


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that the test may harm."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey that the test may harm."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    """Every stack and a throwaway one, deployed from nowhere in particular."""
    return synthesize({"ENVIRONMENT_SUFFIX": THROWAWAY}, tmp_path_factory.mktemp("stacks"))
