"""Behind a pooler: nothing differs in session mode; transaction mode prepares lost statements again."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from local.emulated_aws.function_service import FunctionService
from tests.support.events import kinesis_event, kinesis_record
from tests.support.pgbouncer import BINARY, PgBouncer
from tests.support.real_servers import ALL_DONE, Services

pytestmark = pytest.mark.skipif(
    BINARY is None, reason="PgBouncer is not installed: on Debian, apt-get install pgbouncer"
)


def batch(number: int) -> dict[str, object]:
    return kinesis_event(kinesis_record(f'{{"product_id": "a", "inventory": {number}}}', number))


async def end_server_connections(services: Services) -> None:
    """Close the pooler's connections in the server, as in a failover; the pooler opens others."""
    await services.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = 'inventory_processor' AND datname = current_database()"
    )


@pytest.fixture(params=["session", "transaction"])
def pooler(services: Services, request: pytest.FixtureRequest) -> Iterator[PgBouncer]:
    """Yield a pooler that the processor connects to."""
    with PgBouncer(services.postgres, pool_mode=request.param) as server:
        services.account.variables["DB_PORT"] = str(server.port)
        yield server


async def test_batches_succeed_whatever_happens_to_the_servers_connections(
    services: Services, pooler: PgBouncer
) -> None:
    for number in range(0, 6, 2):
        assert await services.invoke(batch(number)) == ALL_DONE
        assert await services.invoke(batch(number + 1)) == ALL_DONE
        await end_server_connections(services)
    row = await services.row("a")
    assert row is not None
    assert row["inventory"] == 5


async def test_the_schedule_drains_through_it(services: Services, pooler: PgBouncer) -> None:
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a'), ('b')")
    assert await services.invoke({"source": "aws.events"}) == {"pending_invalidations_drained": 2}


async def test_two_processes_whose_statements_have_the_same_name(services: Services) -> None:
    """Check that each prepares its own statement on the one connection that both use."""
    with PgBouncer(services.postgres, pool_mode="transaction") as server:
        services.account.variables["DB_PORT"] = str(server.port)
        functions = [
            FunctionService(
                "processor.handler:handler",
                variables=services.account.variables,
                timeout_seconds=20,
                reserved_concurrency=1,
                new_id=lambda: str(uuid.uuid4()),
                on_log=lambda _: None,
            )
            for _ in range(2)
        ]
        try:
            for number in range(4):
                for function in functions:
                    assert await function.invoke(batch(number)) == ALL_DONE
        finally:
            await asyncio.gather(*(function.close() for function in functions))
    assert await services.row("a") is not None
