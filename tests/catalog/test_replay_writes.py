"""How a replay writes: no faster than asked, and with the rights of the processor."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from catalog.repair.pace import Pace
from catalog.replay.writing import PacedWriter
from local.servers import Servers
from processor.archive_replay import ReplayReport
from processor.fold import fold
from processor.slices import decode_all
from processor.updates import Update
from tests.catalog.conftest import Catalog
from tests.support.events import kinesis_event, kinesis_record, record
from tests.support.fakes import FakeCatalog, FakeClock
from tests.support.faults import Faults
from tests.support.real_servers import Services

USERS = {"shop": ("+get", "+ping"), "writer": ("+@all",)}


class NotedPace(Pace):
    """A pace that lets everything begin at once, and notes it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.begun: list[int] = []

    async def wait(self, records: int, stop: asyncio.Event) -> bool:
        self.begun.append(records)
        return await super().wait(records, stop)


async def test_each_second_of_a_rate_is_waited_for() -> None:
    pace = NotedPace()
    writer = PacedWriter(FakeCatalog(Faults()), None, FakeClock(), ReplayReport())
    updates = decode_all(
        [record({"product_id": f"p{number}", "price": 1}, number) for number in range(5)], []
    )
    writer.slow_down(pace, 2)
    await writer.write(fold(update for update in updates if isinstance(update, Update)).changes)
    assert pace.begun == [2, 2, 1]


@pytest.fixture
def environment_extras() -> dict[str, Any]:
    return {"cache_user": "shop", "cache_writer_user": "writer", "cache_cluster_id": "cluster"}


@pytest.fixture
async def cache_users(servers: Servers) -> AsyncIterator[None]:
    """Make the users of a stack's cache, who log in with any token."""
    address = servers.valkey.address
    client: Any = Redis(host=address.host, port=address.port, password=address.password)
    async with client as administrator:
        for name, rules in USERS.items():
            await administrator.execute_command("ACL", "SETUSER", name, "on", "nopass", "~*", *rules)
        yield
        await administrator.execute_command("ACL", "DELUSER", *USERS)


@pytest.mark.usefixtures("cache_users")
async def test_the_cache_is_written_as_the_processors_user(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record({"product_id": "a", "inventory": 1}, 0)))
    await services.redis.set("product:a", "old")
    result = await catalog("replay", "--yes", "--reason", "test")
    assert (result.exit_code, await services.redis.keys("*"), await services.pending()) == (0, [], set())
