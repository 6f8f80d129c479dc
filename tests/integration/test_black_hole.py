"""Connections to the database whose packets silently vanish, at any moment of a batch."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.servers.proxy import Proxy, open_proxy
from processor import runtime
from tests.support.events import kinesis_event, kinesis_record, sequence
from tests.support.real_servers import ALL_DONE, Services, environment_variables


def batch(number: int) -> dict[str, object]:
    """Return two records of one product, with this number as inventory."""
    text = json.dumps({"product_id": f"product-{number}", "inventory": number})
    return kinesis_event(kinesis_record(text, 2 * number), kinesis_record(text, 2 * number + 1))


def unfinished(number: int) -> dict[str, object]:
    """Return the response that retries the whole batch of this number."""
    return {"batchItemFailures": [{"itemIdentifier": sequence(2 * number)}]}


@pytest.fixture
async def way(services: Services) -> AsyncIterator[Proxy]:
    """Yield a proxy in front of the services' database."""
    async with open_proxy(services.postgres.host, services.postgres.port) as proxy:
        services.account.variables["DB_PORT"] = str(proxy.port)
        yield proxy


@asynccontextmanager
async def healed(way: Proxy, seen: asyncio.Event) -> AsyncIterator[None]:
    """Heal the proxy when `seen` is set: only the first connection is swallowed, later ones get through."""

    async def heal() -> None:
        await seen.wait()
        way.heal()

    healing = asyncio.create_task(heal())
    yield
    assert seen.is_set(), "nothing was swallowed"
    await healing


def in_use(services: Services) -> int:
    """Return how many connections of the processor's pool are in use."""
    with environment_variables(services.account.variables):
        pool = runtime.current()._database._pool  # type: ignore[union-attr]
    return 0 if pool is None else pool.get_size() - pool.get_idle_size()


async def test_nothing_is_sent_when_a_connection_is_released(services: Services, way: Proxy) -> None:
    seen = way.swallow_from(b"UNLISTEN")
    for number in range(3):
        assert await services.invoke(batch(number)) == ALL_DONE
    assert not seen.is_set()
    assert in_use(services) == 0


@pytest.mark.parametrize("pool_size", ["1", "2"])
@pytest.mark.parametrize(
    "moment",
    [
        b"client_connection_check_interval",  # the first statement on a new connection
        b"INSERT INTO products",  # the upsert is prepared
        b"product-1",  # the upsert is sent
    ],
)
async def test_a_connection_that_dies_costs_only_time(
    services: Services, way: Proxy, moment: bytes, pool_size: str
) -> None:
    services.account.variables["DB_POOL_SIZE"] = pool_size
    async with healed(way, way.swallow_from(moment)):
        assert await services.invoke(batch(1), remaining_ms=8_000) == ALL_DONE
    began = time.monotonic()
    assert await services.invoke(batch(2)) == ALL_DONE
    assert time.monotonic() - began < 2.0
    assert in_use(services) == 0


async def test_a_connection_that_died_between_batches_costs_one_of_them_at_most(
    services: Services, way: Proxy
) -> None:
    services.account.variables["DB_POOL_SIZE"] = "1"
    assert await services.invoke(batch(1)) == ALL_DONE
    way.swallow(new=False)
    await services.invoke(batch(2), remaining_ms=1_500)
    assert await services.invoke(batch(2), remaining_ms=4_000) == ALL_DONE
    row = await services.row("product-2")
    assert row is not None
    assert row["inventory"] == 2


@pytest.mark.parametrize("how", ["swallow", "hang", "refuse"])
async def test_with_an_unreachable_database_the_response_comes_in_time_and_it_is_found_again(
    services: Services, way: Proxy, how: str
) -> None:
    assert await services.invoke(batch(1)) == ALL_DONE
    if how == "swallow":
        way.swallow()
    else:
        way.cut()
        getattr(way, how)()
    for _ in range(3):
        began = time.monotonic()
        assert await services.invoke(batch(2), remaining_ms=2_000) == unfinished(2)
        assert time.monotonic() - began < 2.0
    way.heal()
    assert await services.invoke(batch(2), remaining_ms=4_000) == ALL_DONE
    assert in_use(services) == 0


async def test_connections_that_are_reset_cost_nothing(services: Services, way: Proxy) -> None:
    for number in range(3):
        assert await services.invoke(batch(number)) == ALL_DONE
        way.cut()
    assert await services.invoke(batch(3)) == ALL_DONE


async def test_a_slow_network_is_not_a_dead_one(services: Services, way: Proxy) -> None:
    way.delay_to_client_seconds = 0.2
    assert await services.invoke(batch(1)) == ALL_DONE
    assert await services.invoke(batch(2), remaining_ms=4_000) == ALL_DONE
    assert way.accepted == 1
