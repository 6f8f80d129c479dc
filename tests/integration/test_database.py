"""Operations on the pool: their time limits, and the state in which they leave connections."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from processor.adapters.postgres import Database
from processor.errors import DependencyError, StatementTimeoutError
from tests.support.real_servers import Services

if TYPE_CHECKING:
    from processor.adapters.postgres import Connection


@pytest.fixture
async def database(services: Services) -> AsyncIterator[Database]:
    """Yield a pool of one connection, as the administrator."""
    database = Database(services.administrator, None, 1)
    yield database
    database.terminate()


async def pid(connection: "Connection") -> object:
    return connection.get_server_pid()


async def test_without_time_nothing_is_run_and_no_connection_is_lost(database: Database) -> None:
    before = await database.run(pid)
    for seconds in (0.0, -1.0):
        with pytest.raises(DependencyError, match="no time was left"):
            await database.run(pid, within_seconds=seconds)
    assert await database.run(pid) == before


async def test_a_statement_that_takes_too_long_leaves_its_connection_and_nothing_in_the_server(
    database: Database, services: Services
) -> None:
    before = await database.run(pid)
    with pytest.raises(StatementTimeoutError, match=r"more than 0\.5 s"):
        await database.run(lambda connection: connection.execute("SELECT pg_sleep(60)"), within_seconds=1.0)
    assert await database.run(pid) == before
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = $1"
    assert await services.database.fetchval(asleep, before) == 0


async def test_a_cancelled_operation_drops_its_connection(database: Database) -> None:
    before = await database.run(pid)
    began = asyncio.Event()

    async def operation(connection: "Connection") -> None:
        began.set()
        await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(database.run(operation, within_seconds=60))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.run(pid) != before


async def test_concurrent_operations_wait_for_the_only_connection(database: Database) -> None:
    assert len(set(await asyncio.gather(*(database.run(pid) for _ in range(20))))) == 1


async def test_an_error_of_the_operation_leaves_the_pool_usable(database: Database) -> None:
    async def operation(connection: "Connection") -> None:
        del connection
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await database.run(operation)
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.run(lambda connection: connection.execute("SELECT FROM nowhere"))
    await database.run(pid)
