"""A record that kills its process: three marks, then quarantine, unparsed."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from local.emulated_aws.event_source_mapping import FunctionError
from local.emulated_aws.function_service import FunctionService
from tests.support.events import kinesis_event, kinesis_record, sequence
from tests.support.real_servers import ALL_DONE, Services, until

OLD = kinesis_event(kinesis_record('{"product_id": "a", "inventory": 1}'))
UNFINISHED = {"batchItemFailures": [{"itemIdentifier": sequence(0)}]}


@pytest.fixture
async def function(services: Services) -> AsyncIterator[FunctionService]:
    """Yield the function in separate processes."""
    function = FunctionService(
        "processor.handler:handler",
        variables=services.account.variables,
        timeout_seconds=20,
        reserved_concurrency=1,
        new_id=lambda: str(uuid.uuid4()),
        on_log=lambda _: None,
    )
    yield function
    await function.close()


async def attempts(services: Services) -> int:
    """Return how many processes left a mark."""
    marked = await services.database.fetchval("SELECT count(*) FROM processing_attempt")
    return int(marked)


async def kill_at_work(services: Services, function: FunctionService, number: int) -> None:
    """Kill the process while it works on the record, which is archived already, for this many times."""

    async def marked_and_archived() -> bool:
        return await attempts(services) == number and bool(await services.archive_lines())

    work: asyncio.Task[Any] = asyncio.create_task(function.invoke(OLD))
    await until(marked_and_archived)
    function.kill_busy()
    with pytest.raises(FunctionError):
        await work


async def test_after_three_deaths_the_record_is_quarantined_unparsed(
    services: Services, function: FunctionService
) -> None:
    lock = await asyncpg.connect(services.postgres.dsn)
    try:
        async with lock.transaction():
            await lock.execute("LOCK TABLE products")  # stops the work where it can be killed
            for number in (1, 2, 3):
                await kill_at_work(services, function, number)
        assert await function.invoke(OLD) == ALL_DONE
    finally:
        await lock.close()
    (line,) = await services.quarantine_lines()
    assert (line["reason"], line["sequence_number"]) == ("killed_process", sequence(0))
    archived = await services.archive_lines()
    assert {line["sequence_number"] for line in archived} == {sequence(0)}
    assert sorted(line["verdict"] for line in archived) == ["accepted", "killed_process"]
    assert await attempts(services) == 0
    assert await services.row("a") is None


async def test_two_deaths_and_any_number_of_outages_do_not_condemn_it(
    services: Services, function: FunctionService
) -> None:
    lock = await asyncpg.connect(services.postgres.dsn)
    try:
        async with lock.transaction():
            await lock.execute("LOCK TABLE products")
            await kill_at_work(services, function, 1)
            await kill_at_work(services, function, 2)
            assert await services.invoke(OLD, remaining_ms=3_000) == UNFINISHED
            assert await attempts(services) == 0
            for _ in range(2):
                assert await services.invoke(OLD, remaining_ms=3_000) == UNFINISHED
        assert await function.invoke(OLD) == ALL_DONE
    finally:
        await lock.close()
    assert await services.quarantine_lines() == []
    assert await services.row("a") is not None


async def test_marks_left_by_an_outage_do_not_condemn_it_while_their_process_lives(
    services: Services,
) -> None:
    """Check with a database that is down when the attempt ends: the mark stays, but its process survived."""
    assert await services.invoke(OLD) == ALL_DONE
    await services.database.execute("REVOKE DELETE ON processing_attempt FROM catalog_writer")
    for _ in range(5):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await services.invoke(OLD)
    assert await attempts(services) == 1
    await services.database.execute("GRANT DELETE ON processing_attempt TO catalog_writer")
    assert await services.invoke(OLD) == ALL_DONE
    assert await services.quarantine_lines() == []


async def test_a_young_record_is_not_marked(services: Services) -> None:
    await services.database.execute("REVOKE ALL ON processing_attempt FROM catalog_writer")
    young = kinesis_event(
        kinesis_record('{"product_id": "a", "inventory": 1}', arrival_seconds=time.time() - 60)
    )
    assert await services.invoke(young) == ALL_DONE
