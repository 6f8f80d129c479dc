"""Fixtures: real servers and synthesized stacks, once per session; new services for each test."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from local.servers import PostgresServer, Servers, ValkeyServer, start_servers
from tests.support.environments import THROWAWAY
from tests.support.real_servers import Services, open_services
from tests.support.synthesized import MISCONFIGURED, Stack, read_stacks, synthesize

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A background job of a script ignores Ctrl-C, and so would the programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_left() -> Iterator[None]:
    """No garbage of other modules, for which Python seldom looks where the handler ran (`runtime`)."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers that all tests share; a test must not stop or break them."""
    with start_servers() as servers:
        yield servers


@pytest.fixture
async def services(servers: Servers) -> AsyncIterator[Services]:
    """Migrated database, empty cache and empty buckets."""
    async with open_services(servers) as services:
        yield services


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """PostgreSQL server that the test may stop or break."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """Valkey server that the test may stop or break."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    """Every stack and a throwaway one, synthesized without an account or a region.

    `make misconfigure` has stacks with a mistake tested instead.
    """
    if folder := os.environ.get(MISCONFIGURED):
        return read_stacks(Path(folder))
    return synthesize({"ENVIRONMENT_SUFFIX": THROWAWAY}, tmp_path_factory.mktemp("stacks"))
