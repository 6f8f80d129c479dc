"""Each kind of database error meets its reaction (design: errors by reaction), raised by a real server."""

import asyncpg
import pytest

from tests.events import kinesis_event, kinesis_record, sequence
from tests.world import ALL_DONE, World

UNFINISHED = {"batchItemFailures": [{"itemIdentifier": sequence(0)}]}
EVENT = kinesis_event(
    kinesis_record('{"product_id": "a", "inventory": 1}', 0),
    kinesis_record('{"product_id": "b", "inventory": 1}', 1),
)


async def fail(world: World, sqlstate: str, *, times: int = 2**31) -> None:
    """The first so many statements that write product "a" fail with this state."""
    # A sequence counts on when its transaction is rolled back.
    await world.database.execute(
        f"""
        CREATE SEQUENCE failure;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF NEW.product_id = 'a' AND nextval('failure') <= {times} THEN
                RAISE EXCEPTION 'on purpose' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION fail();
        """
    )


@pytest.mark.parametrize("sqlstate", ["53100", "53300", "55P03", "57014", "58000", "58030", "40001"])
async def test_a_sick_database_brings_the_whole_batch_again(world: World, sqlstate: str) -> None:
    await fail(world, sqlstate)
    assert await world.invoke(EVENT) == UNFINISHED
    assert await world.quarantine_lines() == []


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_rolled_back_transaction_is_tried_three_times_more(world: World, sqlstate: str) -> None:
    await fail(world, sqlstate, times=3)
    assert await world.invoke(EVENT) == ALL_DONE
    assert await world.row("a") is not None


@pytest.mark.parametrize("sqlstate", ["08006", "25006", "0A000", "57P01"])
async def test_what_another_connection_may_cure_is_tried_once_more(world: World, sqlstate: str) -> None:
    await fail(world, sqlstate, times=1)
    assert await world.invoke(EVENT) == ALL_DONE
    await world.database.execute("DROP TRIGGER fail ON products")


@pytest.mark.parametrize("sqlstate", ["22003", "23514", "23505"])
async def test_what_the_table_refuses_is_quarantined_alone(world: World, sqlstate: str) -> None:
    await fail(world, sqlstate)
    assert await world.invoke(EVENT) == ALL_DONE
    (line,) = await world.quarantine_lines()
    assert (line["reason"], line["sequence_number"]) == ("catalog_refused", sequence(0))
    assert await world.row("b") is not None


@pytest.mark.parametrize("sqlstate", ["42P01", "42501", "P0001", "XX000", "0A000"])
async def test_what_nobody_foresaw_fails_the_invocation(world: World, sqlstate: str) -> None:
    await fail(world, sqlstate)
    with pytest.raises(asyncpg.PostgresError, match="on purpose"):
        await world.invoke(EVENT)
    assert len(await world.archive_lines()) == 2
    assert await world.quarantine_lines() == []
