"""CONTRIBUTING, "Add a field to the catalog": one entry and one migration are all of it."""

import json
import shutil
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from local.lambda_service import PROJECT, LambdaService, Runtime
from processor.migrate import read_migrations
from tests.events import kinesis_event, kinesis_record
from tests.world import ALL_DONE, World

LAST: Final = "    discontinued: Annotated[bool, flag()] = False\n"
ENTRY: Final = "    sale_price: Annotated[Decimal | None, money(9_999_999_999)] = None\n"
MIGRATION: Final = """
ALTER TABLE products
    ADD COLUMN sale_price numeric(10, 2) CHECK (sale_price >= 0),
    ADD COLUMN sale_price_version text COLLATE "C";
"""
# A shop whose one product is read twice: from the database, then from the cache.
SHOP: Final = """
import asyncio

import asyncpg
from redis.asyncio import Redis

from processor.product import value_key
from processor.reader import CatalogReader


def handler(event, context):
    return asyncio.run(read(**event))


async def read(dsn, cache):
    async with asyncpg.create_pool(dsn, min_size=0, max_size=1) as pool, Redis(**cache) as redis:
        reader = CatalogReader(pool, redis)
        products = [await reader.get("a"), await reader.get("a")]
        return {
            "read": [str(product.sale_price) for product in products],
            "hits": reader.statistics.hits,
            "cached": (await redis.get(value_key("a"))).decode(),
        }
"""


@asynccontextmanager
async def started(copy: Path, handler: str, world: World, logs: list[str]) -> AsyncIterator[LambdaService]:
    """A function of the copy's code, in a process that sees no other copy of it."""
    command = (sys.executable, "-I", str(PROJECT / "local" / "execution_environment.py"), str(copy))
    function = LambdaService(
        handler,
        environment=world.account.environment,
        timeout_seconds=30.0,
        reserved_concurrency=1,
        new_id=lambda: str(uuid.uuid4()),
        on_log=logs.append,
        runtime=Runtime(command, copy),
    )
    try:
        yield function
    finally:
        await function.close()


def copy_with_sale_price(folder: Path) -> Path:
    """The processor's code with one more entry and one more migration."""
    copy = folder / "copy"
    shutil.copytree(PROJECT / "processor", copy / "processor", ignore=shutil.ignore_patterns("__pycache__"))
    source = copy / "processor" / "product.py"
    before, found, after = source.read_text().partition(LAST)
    assert found
    source.write_text(before + LAST + ENTRY + after)
    number = len(read_migrations()) + 1
    (copy / "processor" / "migrations" / f"{number:04d}_sale_price.sql").write_text(MIGRATION)
    (copy / "shop.py").write_text(SHOP)
    return copy


def update(position: int, day: int, **fields: object) -> dict[str, object]:
    """An event with one update of product a."""
    told = {"product_id": "a", "event_time": f"2026-01-{day:02d}T00:00:00Z", **fields}
    return kinesis_event(kinesis_record(told, position))


async def test_a_sale_price_takes_one_entry_one_reason_and_one_migration(
    world: World, tmp_path: Path
) -> None:
    copy = copy_with_sale_price(tmp_path)
    logs: list[str] = []
    async with started(copy, "processor.migrate:handler", world, logs) as migrations:
        migrated: Any = await migrations.invoke({})
    assert migrated["applied"] == ["sale_price"], logs

    async def held() -> tuple[object, ...]:
        row = await world.row("a")
        assert row is not None, logs
        return row["inventory"], row["price"], row["discontinued"], row["sale_price"]

    connection = world.redis.connection_pool.connection_kwargs
    cache = {"host": connection["host"], "port": connection["port"]}
    async with (
        started(copy, "processor.handler:handler", world, logs) as function,
        started(copy, "shop:handler", world, logs) as shop,
    ):

        async def read() -> Any:
            return await shop.invoke({"dsn": world.postgres.dsn, "cache": cache})

        assert await function.invoke(update(1, 2, sale_price="4.990", price=5)) == ALL_DONE, logs
        assert await held() == (0, Decimal("5.00"), False, Decimal("4.99"))
        first = await read()
        assert (first["read"], first["hits"]) == (["4.99", "4.99"], 1)
        assert json.loads(first["cached"])["sale_price"] == "4.99"

        older = update(2, 1, sale_price=1, inventory=7)
        assert await function.invoke(older) == ALL_DONE, logs
        assert await held() == (7, Decimal("5.00"), False, Decimal("4.99"))

        newer = update(3, 3, sale_price=3.5)
        assert await function.invoke(newer) == ALL_DONE, logs
        assert await held() == (7, Decimal("5.00"), False, Decimal("3.50"))
        assert (await read())["read"] == ["3.50", "3.50"]

        assert await function.invoke(update(4, 4, sale_price="3.505")) == ALL_DONE, logs
        assert await held() == (7, Decimal("5.00"), False, Decimal("3.50"))
    (rejected,) = await world.quarantine_lines()
    assert rejected["reason"] == "invalid_sale_price"
    assert rejected["message"] == 'sale_price has 3 decimals: "3.505"; at most 2'
