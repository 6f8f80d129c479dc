"""Invalidations pending after a long outage are drained quickly, once, and leave no trace in the table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database
from processor.errors import CacheUnavailableError
from processor.pending_invalidations import drain_all
from processor.ports import Ports
from tests.support.fakes import FakeArchive, FakeQuarantine
from tests.support.faults import Faults
from tests.support.real_servers import Services, until

SCHEDULE = {"source": "aws.events"}
MANY = 50_000


@asynccontextmanager
async def processes(services: Services, count: int) -> AsyncIterator[list[Ports]]:
    """Yield the ports of this many processes, on the services' database and cache."""
    databases = [Database(services.administrator, None, 1) for _ in range(count)]
    try:
        yield [
            Ports(
                archive=FakeArchive(Faults()),
                quarantine=FakeQuarantine(Faults()),
                catalog=PostgresCatalog(database, process_id=f"process {number}"),
                cache=RedisCache(services.redis),
                clock=SystemClock(),
            )
            for number, database in enumerate(databases)
        ]
    finally:
        for database in databases:
            database.terminate()


async def add_pending(services: Services, count: int, *, seconds_ago: int = 0) -> None:
    await services.database.execute(
        "INSERT INTO pending_invalidation (product_id, missed_at) "
        "SELECT 'p' || number, now() - $1 * interval '1 second' FROM generate_series(1, $2) AS number",
        seconds_ago,
        count,
    )


async def test_many_are_drained_by_one_schedule_and_leave_no_pages_to_scan(
    services: Services,
) -> None:
    await add_pending(services, MANY)
    await services.redis.mset({f"product:p{number}": "old" for number in range(1, MANY, 1_000)})
    assert await services.invoke(SCHEDULE, remaining_ms=60_000) == {"pending_invalidations_drained": MANY}
    assert await services.redis.dbsize() == 0
    assert await services.database.fetchval("SELECT pg_relation_size('pending_invalidation')") == 0


async def test_pending_invalidations_older_than_any_cached_value_are_removed(services: Services) -> None:
    await add_pending(services, MANY, seconds_ago=331)
    # What a reader stored just before its lease expired may still be cached.
    await services.database.execute(
        "INSERT INTO pending_invalidation (product_id, missed_at) VALUES ('young', now() - interval '300 s')"
    )
    assert await services.invoke(SCHEDULE, remaining_ms=60_000) == {"pending_invalidations_drained": 1}
    assert await services.pending() == set()


async def test_eight_concurrent_drains_do_the_work_once(services: Services) -> None:
    await add_pending(services, MANY)
    async with processes(services, 8) as all_ports:
        deadline = all_ports[0].clock.monotonic() + 60
        reports = await asyncio.gather(*(drain_all(ports, deadline) for ports in all_ports))
    assert [error for report in reports for error in report.warnings] == []
    assert sum(report.pending_invalidations_drained for report in reports) == MANY
    assert await services.pending() == set()


async def test_a_product_added_again_and_again_is_pending_once(services: Services) -> None:
    async with processes(services, 4) as all_ports:
        names = [f"p{number}" for number in range(500)]
        for _ in range(3):
            await asyncio.gather(*(ports.catalog.add_pending_invalidations(names) for ports in all_ports))
    assert await services.database.fetchval("SELECT count(*) FROM pending_invalidation") == len(names)


async def test_a_product_added_while_it_is_drained_is_drained_again(services: Services) -> None:
    async with processes(services, 2) as (draining, adding):

        class Interrupted(RedisCache):
            async def invalidate(self, product_ids: object, **_: object) -> None:
                del product_ids
                await adding.catalog.add_pending_invalidations(["a"])

        await adding.catalog.add_pending_invalidations(["a", "b"])
        interrupted = Ports(
            archive=draining.archive,
            quarantine=draining.quarantine,
            catalog=draining.catalog,
            cache=Interrupted(services.redis),
            clock=draining.clock,
        )
        report = await drain_all(interrupted, draining.clock.monotonic() + 10)
    assert report.pending_invalidations_drained == 1
    assert await services.pending() == {"a"}


async def test_a_drain_that_failed_leaves_the_next_process_free_to_drain(services: Services) -> None:
    async with processes(services, 2) as (one, other):

        class Down(RedisCache):
            async def invalidate(self, product_ids: object, **_: object) -> None:
                del product_ids
                raise CacheUnavailableError("down")

        await add_pending(services, 3)
        failing = Ports(
            archive=one.archive,
            quarantine=one.quarantine,
            catalog=one.catalog,
            cache=Down(services.redis),
            clock=one.clock,
        )
        assert len((await drain_all(failing, one.clock.monotonic() + 10)).warnings) == 1
        assert (await drain_all(other, one.clock.monotonic() + 10)).pending_invalidations_drained == 3


async def test_many_are_drained_after_a_vacuum_that_left_empty_pages(services: Services) -> None:
    """PostgreSQL then expects one row, and keeps that plan."""
    products = [f"p{number}" for number in range(20_000)]
    async with processes(services, 1) as (ports,):
        # From its sixth execution on, a statement may get a plan that is kept. It does so after large arrays.
        for some in [products[:2_000]] * 6 + [products]:
            await ports.catalog.add_pending_invalidations(some)
            await services.database.execute(
                "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'pending_invalidation',"
                " 'relpages', 200, 'reltuples', 0.0::real)"
            )
            report = await drain_all(ports, ports.clock.monotonic() + 60)
            assert (report.pending_invalidations_drained, report.warnings) == (len(some), [])


async def test_a_product_added_while_old_ones_are_removed_stays_pending(services: Services) -> None:
    await add_pending(services, 2, seconds_ago=1_000)
    async with processes(services, 1) as (ports,):
        async with services.database.transaction():
            await services.database.execute(
                "UPDATE pending_invalidation SET id = DEFAULT, missed_at = now() WHERE product_id = 'p1'"
            )
            removing = asyncio.create_task(ports.catalog.remove_expired_pending_invalidations(330))
            await until(
                lambda: services.database.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            )
        assert await removing == 1
    assert await services.database.fetchval("SELECT product_id FROM pending_invalidation") == "p1"
