"""CONTRIBUTING, "Add a field to the catalog": one entry and one migration are all the code it takes."""

import json
import re
import shutil
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.emulated_aws.function_service import PROJECT, FunctionService, LaunchCommand
from processor.migrate import read_migrations
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import ALL_DONE, Services

# Other names, since the fields in CONTRIBUTING may have been added meanwhile.
NAMES = {"sale_price": "price_of_this_test", "title": "text_of_this_test"}
PRICE, TEXT = NAMES.values()
KINDS = "from processor.registers import money, text\n"
LONGEST = "\U0001f600" * 200
# An entry comes before the first method.
METHOD = "\n    def to_json("
# A shop whose one product is read twice: from the database, then from the cache.
SHOP = """
import asyncio

import asyncpg
from redis.asyncio import Redis

from processor.cache_keys import value_key
from processor.reader import CatalogReader


def handler(event, context):
    return asyncio.run(read(**event))


async def read(dsn, cache):
    async with asyncpg.create_pool(dsn, min_size=0, max_size=1) as pool, Redis(**cache) as redis:
        reader = CatalogReader(pool, redis)
        products = [await reader.get("a"), await reader.get("a")]
        return {
            "read": [[str(product.price_of_this_test), product.text_of_this_test] for product in products],
            "hits": reader.statistics.hits,
            "cached": (await redis.get(value_key("a"))).decode(),
        }
"""


@asynccontextmanager
async def started(
    copy: Path, handler: str, services: Services, logs: list[str]
) -> AsyncIterator[FunctionService]:
    """Yield a function with the copy's code, in a process that cannot import the original."""
    command = (
        sys.executable,
        "-I",
        str(PROJECT / "local" / "emulated_aws" / "execution_environment.py"),
        str(copy),
    )
    function = FunctionService(
        handler,
        variables=services.account.variables,
        timeout_seconds=30.0,
        reserved_concurrency=1,
        new_id=lambda: str(uuid.uuid4()),
        on_log=logs.append,
        launch=LaunchCommand(command, copy),
    )
    try:
        yield function
    finally:
        await function.close()


def code_block(language: str) -> str:
    """Return CONTRIBUTING's code block in a language, with other names."""
    block: str
    (block,) = re.findall(
        rf"   ```{language}\n(.*?)   ```\n", (PROJECT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    for name, other in NAMES.items():
        block = block.replace(name, other)
    return block


def copy_with_two_fields(folder: Path) -> Path:
    """Return a copy of the processor's code with the entries and the migration from CONTRIBUTING."""
    copy = folder / "copy"
    shutil.copytree(PROJECT / "processor", copy / "processor", ignore=shutil.ignore_patterns("__pycache__"))
    source = copy / "processor" / "product.py"
    entries = textwrap.indent(textwrap.dedent(code_block("python")), "    ")
    before, found, after = source.read_text().partition(METHOD)
    assert found
    imports, found, product = before.partition("\n\n@dataclass")
    assert found
    source.write_text(imports + KINDS + found + product + entries + METHOD + after)
    number = len(read_migrations()) + 1
    (copy / "processor" / "migrations" / f"{number:04d}_two_fields.sql").write_text(code_block("sql"))
    (copy / "shop.py").write_text(SHOP)
    return copy


def update(position: int, day: int, **fields: object) -> dict[str, object]:
    """Return an event with one update of product a."""
    content = {"product_id": "a", "event_time": f"2026-01-{day:02d}T00:00:00Z", **fields}
    return kinesis_event(kinesis_record(content, position))


async def test_a_field_takes_one_entry_and_one_migration(services: Services, tmp_path: Path) -> None:
    copy = copy_with_two_fields(tmp_path)
    logs: list[str] = []
    async with started(copy, "processor.migrate:handler", services, logs) as migrations:
        migrated: Any = await migrations.invoke({})
    assert migrated["applied"] == ["two_fields"], logs

    async def held() -> tuple[object, ...]:
        row = await services.row("a")
        assert row is not None, logs
        return row["inventory"], row["price"], row["discontinued"], row[PRICE], row[TEXT]

    connection = services.redis.connection_pool.connection_kwargs
    cache = {"host": connection["host"], "port": connection["port"]}
    async with (
        started(copy, "processor.handler:handler", services, logs) as function,
        started(copy, "shop:handler", services, logs) as shop,
    ):

        async def read() -> Any:
            return await shop.invoke({"dsn": services.postgres.dsn, "cache": cache})

        async def send(position: int, day: int, **fields: object) -> None:
            assert await function.invoke(update(position, day, **fields)) == ALL_DONE, logs

        await send(1, 2, price=5, **{PRICE: "4.990"})
        assert await held() == (0, Decimal("5.00"), False, Decimal("4.99"), None)
        await send(2, 2, **{TEXT: LONGEST})
        assert await held() == (0, Decimal("5.00"), False, Decimal("4.99"), LONGEST)
        first = await read()
        assert (first["read"], first["hits"]) == ([["4.99", LONGEST]] * 2, 1)
        cached = json.loads(first["cached"])
        assert (cached[PRICE], cached[TEXT]) == ("4.99", LONGEST)

        await send(3, 1, inventory=7, **{PRICE: 1, TEXT: "older"})
        assert await held() == (7, Decimal("5.00"), False, Decimal("4.99"), LONGEST)

        await send(4, 3, **{PRICE: 3.5, TEXT: "newer"})
        assert await held() == (7, Decimal("5.00"), False, Decimal("3.50"), "newer")
        assert (await read())["read"] == [["3.50", "newer"]] * 2

        await send(5, 4, **{PRICE: "3.505"})
        await send(6, 4, **{TEXT: "a\0b"})
        await send(7, 4, **{TEXT: "a\ud800"})
        assert await held() == (7, Decimal("5.00"), False, Decimal("3.50"), "newer")
    assert {(line["reason"], line["message"]) for line in await services.quarantine_lines()} == {
        (f"invalid_{PRICE}", f'{PRICE} has 3 decimals: "3.505"; at most 2 are accepted'),
        (f"invalid_{TEXT}", f"{TEXT} holds the control character U+0000 at character 2"),
        (f"invalid_{TEXT}", f"{TEXT} holds the lone surrogate U+D800 at character 2"),
    }
