"""What a long outage of the cache leaves is made up for quickly, once, and without a trace in the table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database
from processor.errors import CacheUnavailableError
from processor.pending_invalidations import drain
from processor.ports import Ports
from tests.support.fakes import FakeArchive, FakeQuarantine, Faults
from tests.support.real_servers import World

SCHEDULE = {"source": "aws.events"}
MANY = 50_000


@asynccontextmanager
async def processes(world: World, count: int) -> AsyncIterator[list[Ports]]:
    """So many processes' ports, on the world's database and cache."""
    databases = [Database(world.administrator, None, 1) for _ in range(count)]
    try:
        yield [
            Ports(
                archive=FakeArchive(Faults()),
                quarantine=FakeQuarantine(Faults()),
                catalog=PostgresCatalog(database, process_id=f"process {number}"),
                cache=RedisCache(world.redis),
                clock=SystemClock(),
            )
            for number, database in enumerate(databases)
        ]
    finally:
        for database in databases:
            database.terminate()


async def miss(world: World, count: int, *, seconds_ago: int = 0) -> None:
    await world.database.execute(
        "INSERT INTO pending_invalidation (product_id, missed_at) "
        "SELECT 'p' || number, now() - $1 * interval '1 second' FROM generate_series(1, $2) AS number",
        seconds_ago,
        count,
    )


async def test_many_are_drained_by_one_schedule_and_leave_no_pages_to_look_through(world: World) -> None:
    await miss(world, MANY)
    await world.redis.mset({f"product:p{number}": "old" for number in range(1, MANY, 1_000)})
    assert await world.invoke(SCHEDULE, remaining_ms=60_000) == {"invalidations_made_up": MANY}
    assert await world.redis.dbsize() == 0
    assert await world.database.fetchval("SELECT pg_relation_size('pending_invalidation')") == 0


async def test_what_is_older_than_any_cached_value_is_forgotten(world: World) -> None:
    await miss(world, MANY, seconds_ago=331)
    await world.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('young')")
    assert await world.invoke(SCHEDULE, remaining_ms=60_000) == {"invalidations_made_up": 1}
    assert await world.pending() == set()


async def test_eight_drains_at_once_do_the_work_once(world: World) -> None:
    await miss(world, MANY)
    async with processes(world, 8) as all_ports:
        deadline = all_ports[0].clock.monotonic() + 60
        reports = await asyncio.gather(*(drain(ports, deadline) for ports in all_ports))
    assert [error for report in reports for error in report.warnings] == []
    assert sum(report.invalidations_made_up for report in reports) == MANY
    assert await world.pending() == set()


async def test_a_product_that_is_missed_again_and_again_waits_once(world: World) -> None:
    async with processes(world, 4) as all_ports:
        names = [f"p{number}" for number in range(500)]
        for _ in range(3):
            await asyncio.gather(*(ports.catalog.add_missed_invalidations(names) for ports in all_ports))
    assert await world.database.fetchval("SELECT count(*) FROM pending_invalidation") == len(names)


async def test_a_product_that_is_missed_while_it_is_drained_is_drained_again(world: World) -> None:
    async with processes(world, 2) as (draining, missing):

        class Interrupted(RedisCache):
            async def invalidate(self, product_ids: object, **_: object) -> None:
                del product_ids
                await missing.catalog.add_missed_invalidations(["a"])

        await missing.catalog.add_missed_invalidations(["a", "b"])
        interrupted = Ports(
            archive=draining.archive,
            quarantine=draining.quarantine,
            catalog=draining.catalog,
            cache=Interrupted(world.redis),
            clock=draining.clock,
        )
        report = await drain(interrupted, draining.clock.monotonic() + 10)
    assert report.invalidations_made_up == 1
    assert await world.pending() == {"a"}


async def test_a_drain_that_failed_leaves_the_next_process_free_to_drain(world: World) -> None:
    async with processes(world, 2) as (one, other):

        class Down(RedisCache):
            async def invalidate(self, product_ids: object, **_: object) -> None:
                del product_ids
                raise CacheUnavailableError("down")

        await miss(world, 3)
        failing = Ports(
            archive=one.archive,
            quarantine=one.quarantine,
            catalog=one.catalog,
            cache=Down(world.redis),
            clock=one.clock,
        )
        assert len((await drain(failing, one.clock.monotonic() + 10)).warnings) == 1
        assert (await drain(other, one.clock.monotonic() + 10)).invalidations_made_up == 3
