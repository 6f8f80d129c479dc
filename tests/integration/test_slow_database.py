"""A database that answers, but not in time: it gets less work at a time, and nothing is left running."""

import json
from functools import partial

import asyncpg
import pytest

from local.servers.proxy import open_proxy
from tests.support.events import aggregate, kinesis_event, kinesis_record, sequence
from tests.support.lambda_delivery import deliver
from tests.support.real_servers import ALL_DONE, Services, until
from tests.support.simulated_mapping import with_settings

ROWS = 100


def update(position: int) -> str:
    return json.dumps({"product_id": f"p{position:03d}", "inventory": position})


async def slow_down(services: Services, seconds: float) -> None:
    """Make each row in a statement take this long, even one that changes nothing."""
    await services.database.execute(
        f"""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_sleep({seconds});
            RETURN NEW;
        END $$;
        CREATE TRIGGER slow BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION slow();
        """
    )


async def backends(services: Services) -> int:
    """Return how many of the processor's statements run or wait in the server."""
    found = await services.database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'inventory-processor' "
        "AND datname = current_database() AND state = 'active'"
    )
    return int(found)


@pytest.mark.parametrize(("bisect", "halved"), [(False, False), (True, False), (True, True)])
async def test_a_batch_that_is_too_much_is_done_however_aws_bisects(
    services: Services, *, bisect: bool, halved: bool
) -> None:
    """Check with 100 rows of 50 ms and a timeout of 3 s: each attempt gets further, whatever is bisected."""
    await slow_down(services, 0.05)
    delivery = await deliver(
        partial(services.invoke, remaining_ms=3_000),
        [kinesis_record(update(position), position) for position in range(ROWS)],
        batch_size=ROWS,
        bisect=bisect,
        limit_invocations=20,
        settings=with_settings(bisect_reported_batch=halved),
    )
    assert (delivery.unfinished, delivery.discarded) == ([], [])
    assert not any(isinstance(answer, Exception) for answer in delivery.answers)
    assert await services.database.fetchval("SELECT count(*) FROM products") == ROWS


async def test_each_attempt_at_an_aggregate_that_is_too_much_gets_further(services: Services) -> None:
    """Check that its one Kinesis record is unfinished until all is done; the rows show how far it got."""
    await slow_down(services, 0.05)
    event = kinesis_event(
        kinesis_record(aggregate([("k", update(position).encode()) for position in range(60)]))
    )
    rows = 0
    while await services.invoke(event, remaining_ms=3_000) != ALL_DONE:
        before, rows = rows, await services.database.fetchval("SELECT count(*) FROM products")
        assert rows > before, "an attempt got no further"
    assert await services.database.fetchval("SELECT count(*) FROM products") == 60


async def test_records_before_a_locked_row_are_done_and_nothing_waits_behind_it(services: Services) -> None:
    await services.invoke(kinesis_event(kinesis_record(update(7), 7)))
    event = kinesis_event(*(kinesis_record(update(position), 100 + position) for position in range(10)))
    holder = await asyncpg.connect(services.postgres.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products FOR UPDATE")
            for _ in range(6):
                answer = await services.invoke(event, remaining_ms=2_000)
                assert answer == {"batchItemFailures": [{"itemIdentifier": sequence(107)}]}
            assert await services.database.fetchval("SELECT count(*) FROM products") == 8
            assert await backends(services) <= 1
    finally:
        await holder.close()
    assert await services.invoke(event) == ALL_DONE


async def test_statements_that_nobody_waits_for_end(services: Services) -> None:
    """Check also if no cancel request gets through: the server notices that its client is gone."""
    await services.invoke(kinesis_event(kinesis_record(update(7), 7)))
    holder = await asyncpg.connect(services.postgres.dsn)

    async def none_left() -> bool:
        return await backends(services) == 0

    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE products")
            for attempt in range(6):
                event = kinesis_event(kinesis_record(update(7), 100 + attempt))
                assert await services.invoke(event, remaining_ms=1_500) != ALL_DONE
            await until(none_left)
    finally:
        await holder.close()


@pytest.mark.parametrize("state", ["statement_timeout", "lock_timeout", "transaction_timeout"])
async def test_after_a_timeout_in_the_server_less_is_done_at_a_time(services: Services, state: str) -> None:
    await services.database.execute(f"ALTER ROLE inventory_processor SET {state} = '300ms'")
    try:
        await slow_down(services, 0.05)
        holder = await asyncpg.connect(services.postgres.dsn)
        await services.invoke(kinesis_event(kinesis_record(update(7), 7)))
        async with holder.transaction():
            await holder.execute("SELECT FROM products FOR UPDATE")
            event = kinesis_event(*(kinesis_record(update(n), 100 + n) for n in range(10)))
            answer = await services.invoke(event, remaining_ms=5_000)
        assert answer == {"batchItemFailures": [{"itemIdentifier": sequence(107)}]}
        await holder.close()
    finally:
        await services.database.execute(f"ALTER ROLE inventory_processor RESET {state}")


async def test_a_batch_that_is_too_much_is_done_even_if_no_cancel_request_gets_through(
    services: Services,
) -> None:
    """Check this because a pooler or firewall may swallow them; silence then does not mean a lost server."""
    await slow_down(services, 0.05)
    async with open_proxy(services.postgres.host, services.postgres.port) as way:
        # https://www.postgresql.org/docs/18/protocol-message-formats.html, CancelRequest
        cancelled = way.swallow_from(b"\x04\xd2\x16\x2e")
        services.account.variables["DB_PORT"] = str(way.port)
        delivery = await deliver(
            partial(services.invoke, remaining_ms=4_000),
            [kinesis_record(update(position), position) for position in range(ROWS)],
            batch_size=ROWS,
            limit_invocations=20,
        )
    assert cancelled.is_set()
    assert (delivery.unfinished, delivery.discarded) == ([], [])


async def test_refusals_by_a_slow_table_are_done_too(services: Services) -> None:
    await slow_down(services, 0.02)
    await services.database.execute("ALTER TABLE products ADD CHECK (inventory % 2 = 0) NOT VALID")
    packed = aggregate([("k", update(position).encode()) for position in range(60)])
    delivery = await deliver(
        partial(services.invoke, remaining_ms=3_000), [kinesis_record(packed)], limit_invocations=20
    )
    assert delivery.unfinished == []
    assert len(await services.quarantine_lines()) == 30
    assert await services.database.fetchval("SELECT count(*) FROM products") == 30


async def test_thousands_of_refusals_in_one_record_are_soon_done(services: Services) -> None:
    await services.database.execute("ALTER TABLE products ADD CHECK (inventory < 0) NOT VALID")
    packed = aggregate([("k", update(position).encode()) for position in range(4_000)])
    delivery = await deliver(
        partial(services.invoke, remaining_ms=4_000), [kinesis_record(packed)], limit_invocations=5
    )
    assert (delivery.unfinished, delivery.discarded) == ([], [])
    lines = await services.quarantine_lines()
    assert len(lines) == 4_000
    assert {line["reason"] for line in lines} == {"catalog_refused"}
    assert {line["sub_sequence"] for line in lines} == set(range(4_000))
