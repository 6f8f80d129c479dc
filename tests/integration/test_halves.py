"""Large upserts in two halves at the same time, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from processor.adapters.catalog import PostgresCatalog
from processor.adapters.postgres import Database
from processor.errors import CatalogRefusedError, StatementTimeoutError
from processor.fold import Change, fold
from processor.updates import Update, decode
from tests.support.events import kinesis_event, kinesis_record, record, sequence
from tests.support.real_servers import ALL_DONE, Services, until

MakeCatalog = Callable[[int], PostgresCatalog]
# The statements of the administrator's processors that run or wait in the server.
RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'inventory-processor' AND datname = current_database() AND state = 'active'
"""

OPEN = (
    "SELECT pid FROM pg_stat_activity WHERE usename = 'inventory_processor' AND datname = current_database()"
)


@pytest.fixture
async def make_catalog(services: Services) -> AsyncIterator[MakeCatalog]:
    """Yield a function that returns a catalog with a pool of this size, whose upserts go in halves."""
    databases: list[Database] = []

    def make(pool_size: int) -> PostgresCatalog:
        databases.append(Database(services.administrator, None, pool_size))
        return PostgresCatalog(databases[-1], process_id="test", halves_from=2)

    yield make
    for database in databases:
        database.terminate()


def changes(inventory: int = 1, *, bad: int | None = None) -> list[Change]:
    """Return changes of p0 to p9; that of `bad` is none that the table takes."""
    updates = []
    for number in range(10):
        update = decode(record({"product_id": f"p{number}", "inventory": inventory}, inventory * 10 + number))
        assert isinstance(update, Update)
        updates.append(update._replace(values={"inventory": -1}) if number == bad else update)
    return fold(updates).changes


def large_batch(count: int, *, inventory: int) -> dict[str, object]:
    return kinesis_event(
        *(
            kinesis_record(
                {"product_id": f"p{number:04d}", "inventory": inventory}, inventory * 10_000 + number
            )
            for number in range(count)
        )
    )


async def stored(services: Services) -> set[str]:
    rows = await services.database.fetch("SELECT product_id FROM products")
    return {row["product_id"] for row in rows}


async def until_running(services: Services, count: int) -> None:
    async def is_so() -> bool:
        return bool(await services.database.fetchval(RUNNING) == count)

    await until(is_so)


FIRST, SECOND = ({f"p{number}" for number in numbers} for numbers in (range(5), range(5, 10)))


async def test_a_pool_of_two_does_both_at_the_same_time(
    services: Services, make_catalog: MakeCatalog
) -> None:
    """Check that each half waits for a row, while the other one does too."""
    catalog = make_catalog(2)
    await catalog.upsert(changes())
    holder = await asyncpg.connect(services.postgres.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products FOR UPDATE")
            task = asyncio.ensure_future(catalog.upsert(changes(2)))
            await until_running(services, 2)
        assert (await task).changed == 10
    finally:
        await holder.close()


@pytest.mark.parametrize("bad", [0, 9])
async def test_a_pool_of_one_does_all_in_one_statement(
    services: Services, make_catalog: MakeCatalog, bad: int
) -> None:
    catalog = make_catalog(1)
    with pytest.raises(CatalogRefusedError):
        await catalog.upsert(changes(bad=bad))
    assert await stored(services) == set()
    assert (await catalog.upsert(changes())).changed == 10


@pytest.mark.parametrize(("bad", "kept"), [(0, SECOND), (9, FIRST)])
async def test_a_refused_half_leaves_the_other_applied(
    services: Services, make_catalog: MakeCatalog, bad: int, kept: set[str]
) -> None:
    catalog = make_catalog(2)
    with pytest.raises(CatalogRefusedError):
        await catalog.upsert(changes(bad=bad))
    assert await stored(services) == kept
    assert (await catalog.upsert(changes(2))).changed == 10


async def test_a_half_that_waits_for_a_lock_times_out_and_the_other_is_applied(
    services: Services, make_catalog: MakeCatalog
) -> None:
    catalog = make_catalog(2)
    await catalog.upsert(changes())
    holder = await asyncpg.connect(services.postgres.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products WHERE product_id = 'p7' FOR UPDATE")
            with pytest.raises(StatementTimeoutError):
                await catalog.upsert(changes(2), within_seconds=1.0)
            assert await services.database.fetchval(RUNNING) == 0
            outdated = await catalog.outdated(changes(2))
            assert {change.product_id for change in outdated} == SECOND
    finally:
        await holder.close()
    assert (await catalog.upsert(changes(2))).changed == 5


async def test_cancelled_halves_leave_nothing_running(services: Services, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(2)
    await catalog.upsert(changes())
    holder = await asyncpg.connect(services.postgres.dsn)

    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products FOR UPDATE")
            task = asyncio.ensure_future(catalog.upsert(changes(2)))
            await until_running(services, 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until_running(services, 0)
    finally:
        await holder.close()
    assert (await catalog.upsert(changes(2))).changed == 10


async def test_the_last_free_connection_is_enough(services: Services) -> None:
    """Check a large batch where the database has one connection left, and that it is kept for the next."""
    event = large_batch(2_000, inventory=1)
    await services.database.execute("ALTER ROLE inventory_processor CONNECTION LIMIT 1")
    try:
        pids: set[int] = set()
        for _ in range(3):
            assert await services.invoke(event) == ALL_DONE
            pids |= {row["pid"] for row in await services.database.fetch(OPEN)}
        assert len(pids) == 1
    finally:
        await services.database.execute("ALTER ROLE inventory_processor CONNECTION LIMIT -1")
    assert await services.database.fetchval("SELECT count(*) FROM products") == 2_000


async def test_records_before_a_locked_row_of_a_large_batch_are_acknowledged(services: Services) -> None:
    assert await services.invoke(large_batch(2_500, inventory=1)) == ALL_DONE
    later = large_batch(2_500, inventory=2)
    holder = await asyncpg.connect(services.postgres.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products WHERE product_id = 'p2000' FOR UPDATE")
            answer = await services.invoke(later, remaining_ms=6_000)
            assert answer == {"batchItemFailures": [{"itemIdentifier": sequence(22_000)}]}
    finally:
        await holder.close()
    assert await services.invoke(later) == ALL_DONE
    assert await services.database.fetchval("SELECT count(*) FROM products WHERE inventory = 2") == 2_500
