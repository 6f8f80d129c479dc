"""The function that replays objects, on real servers, as a distributed map invokes it."""

import asyncio
from typing import Any

import pytest

from processor import replay
from processor.errors import DependencyError, EventError
from tests.support.events import ARRIVAL_MS, kinesis_event, kinesis_record
from tests.support.real_servers import ALL_DONE, FixedContext, Services, environment_variables, objects

UPDATES: tuple[Any, ...] = ({"product_id": "a", "inventory": 1}, {"product_id": "b", "price": 2}, b"bad")


async def invoke(services: Services, event: object, *, remaining_ms: int = 20_000) -> dict[str, Any]:
    """Run the function in this process."""
    with environment_variables(services.account.variables):
        return await asyncio.to_thread(replay.handler, event, FixedContext(remaining_ms))


async def batch(services: Services, **selection: object) -> dict[str, Any]:
    """Return the event with every object of the archive."""
    bucket = services.account.archive_bucket
    items = [{"bucket": bucket, "key": key} for key, _ in await objects(services.account, bucket)]
    return {
        "Items": [*items, {"bucket": bucket, "key": "inventory/"}],
        "BatchInput": {"selection": selection},
    }


async def process(services: Services) -> None:
    """Have the processor process a batch, then lose the rows."""
    event = kinesis_event(*(kinesis_record(update, place) for place, update in enumerate(UPDATES)))
    assert await services.invoke(event) == ALL_DONE
    await services.database.execute("DELETE FROM products")


async def products(services: Services) -> list[str]:
    """Return the products of the table."""
    rows = await services.database.fetch("SELECT product_id FROM products ORDER BY 1")
    return [row["product_id"] for row in rows]


async def test_lost_rows_come_back_and_are_invalidated(services: Services) -> None:
    await process(services)
    await services.redis.set("product:a", "old")
    answer = await invoke(services, await batch(services))
    assert (answer["objects"], answer["lines"], answer["updates"], answer["rows_changed"]) == (1, 3, 2, 2)
    assert (answer["findings"], answer["damaged"], answer["refused"]) == ({}, 0, [])
    assert await products(services) == ["a", "b"]
    assert await services.redis.keys("*") == []
    again = await invoke(services, await batch(services))
    assert again["rows_changed"] == 0


async def test_only_what_is_selected(services: Services) -> None:
    await process(services)
    await invoke(services, await batch(services, end_ms=ARRIVAL_MS))
    assert await products(services) == []
    await invoke(services, await batch(services, begin_ms=ARRIVAL_MS, products=["b"]))
    assert await products(services) == ["b"]


async def test_without_the_cache_invalidations_are_pending(services: Services) -> None:
    await process(services)
    await services.database.execute("DELETE FROM pending_invalidation")
    unreachable = dict(services.account.variables, REDIS_PORT="1")
    with environment_variables(unreachable):
        event, context = await batch(services), FixedContext(20_000)
        answer = await asyncio.to_thread(replay.handler, event, context)
    assert answer["pending_invalidations_added"] == 2
    assert await services.pending() == {"a", "b"}


async def test_without_time_the_batch_comes_again(services: Services) -> None:
    await process(services)
    with pytest.raises(DependencyError, match="0 of 1 objects were read within the time left"):
        await invoke(services, await batch(services), remaining_ms=900)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"Items": []}, "not a batch of the archive's objects"),
        ({"Records": []}, "not a batch of the archive's objects"),
        ({"Items": [{"bucket": "other", "key": "inventory/x"}]}, 'item 1: bucket is "other"'),
        ({"Items": [{"bucket": None}]}, "item 1: bucket is null"),
    ],
)
async def test_other_events_are_refused(services: Services, event: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError, match=message):
        await invoke(services, event)


@pytest.mark.parametrize(
    "selection",
    [{"begin_ms": "now"}, {"begin_ms": -1}, {"end_ms": True}, {"products": "a"}, {"products": [1]}, {"x": 1}],
)
async def test_other_selections_are_refused(services: Services, selection: dict[str, Any]) -> None:
    await process(services)
    with pytest.raises(EventError, match="accepted"):
        await invoke(services, await batch(services, **selection))
    assert await products(services) == []
