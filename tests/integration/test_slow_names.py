"""Invariant I6 while the resolver hangs on the cache's name: each batch is done in time."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.servers import Servers
from processor.event_loop import MAX_THREADS
from processor.ports import INVALIDATION_SECONDS
from processor.readers import CacheAddress, open_reader
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import ALL_DONE, Services

CACHE = "cache.example"
# More than a loop has threads, in case each blocked one.
BATCHES = 10
# What a batch takes besides, on a busy machine.
SLACK_SECONDS = 1.5


@pytest.fixture
def hanging_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the system's resolver hang on the cache's name."""
    resolve, let_go = socket.getaddrinfo, threading.Event()

    def hang(host: object, *arguments: Any, **options: Any) -> Any:
        if host == CACHE:
            let_go.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    let_go.set()


@pytest.mark.usefixtures("hanging_name")
async def test_a_cache_whose_name_hangs_delays_no_batch(services: Services) -> None:
    # The other names must be looked up too.
    services.account.variables.update(REDIS_ENDPOINT=CACHE, DB_HOST="localhost")
    for number in range(BATCHES):
        event = kinesis_event(kinesis_record(f'{{"product_id": "a", "inventory": {number}}}', number))
        began = time.monotonic()
        assert await services.invoke(event) == ALL_DONE
        assert time.monotonic() - began < INVALIDATION_SECONDS + SLACK_SECONDS
        row = await services.row("a")
        assert row is not None
        assert row["inventory"] == number
    assert len(await services.archive_lines()) == BATCHES
    assert await services.pending() == {"a"}


@pytest.mark.usefixtures("hanging_name")
async def test_it_delays_no_reader_on_another_loop(services: Services) -> None:
    dsn = services.postgres.dsn.replace("127.0.0.1", "localhost")
    cache = CacheAddress(host=CACHE, tls=False)
    async with open_reader(dsn=dsn, ca_file=None, cache=cache) as reader:
        for _ in range(3):
            async with asyncio.timeout(SLACK_SECONDS):
                assert await asyncio.gather(*(reader.get(f"{number}") for number in range(40))) == [None] * 40
        async with asyncio.timeout(SLACK_SECONDS):
            assert await asyncio.to_thread(lambda: "not waited for")
    assert sum(thread.name == "name lookup" for thread in threading.enumerate()) <= MAX_THREADS


async def test_the_name_is_never_looked_up_on_the_threads_of_another_loop(
    services: Services, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, threads = socket.getaddrinfo, set()

    def note(host: object, *arguments: Any, **options: Any) -> Any:
        if host == CACHE:
            threads.add(threading.current_thread().name)
            host = servers.valkey.address.host
        return resolve(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", note)
    cache = CacheAddress(host=CACHE, port=servers.valkey.address.port, tls=False)
    async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
        await services.database.execute(
            "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
        )
        for _ in range(2):
            assert await reader.get("a") is not None
        assert reader.statistics.hits == 1
    assert threads == {"name lookup"}
