"""The reaction to each kind of database error, raised by a real server."""

import asyncpg
import pytest

from tests.support.events import kinesis_event, kinesis_record, sequence
from tests.support.real_servers import ALL_DONE, Services

UNFINISHED = {"batchItemFailures": [{"itemIdentifier": sequence(0)}]}
EVENT = kinesis_event(
    kinesis_record('{"product_id": "a", "inventory": 1}', 0),
    kinesis_record('{"product_id": "b", "inventory": 1}', 1),
)


async def fail(services: Services, sqlstate: str, *, times: int = 2**31) -> None:
    """Let the first statements that write product "a" fail with this state."""
    # A sequence is not rolled back with its transaction.
    await services.database.execute(
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
async def test_after_a_server_error_the_whole_batch_is_retried(services: Services, sqlstate: str) -> None:
    await fail(services, sqlstate)
    assert await services.invoke(EVENT) == UNFINISHED
    assert await services.quarantine_lines() == []


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_rolled_back_transaction_is_retried_three_times(services: Services, sqlstate: str) -> None:
    await fail(services, sqlstate, times=3)
    assert await services.invoke(EVENT) == ALL_DONE
    assert await services.row("a") is not None


@pytest.mark.parametrize("sqlstate", ["08006", "25006", "0A000", "57P01"])
async def test_what_another_connection_may_fix_is_retried_once(services: Services, sqlstate: str) -> None:
    await fail(services, sqlstate, times=1)
    assert await services.invoke(EVENT) == ALL_DONE
    await services.database.execute("DROP TRIGGER fail ON products")


@pytest.mark.parametrize("sqlstate", ["26000", "42P05"])
async def test_a_prepared_statement_that_a_pooler_lost_is_prepared_again(
    services: Services, sqlstate: str
) -> None:
    await fail(services, sqlstate, times=1)
    assert await services.invoke(EVENT) == ALL_DONE


@pytest.mark.parametrize(
    "rule",
    [
        "ADD CHECK (inventory < 1)",
        "ADD CHECK (product_id > 'a' OR price IS NOT NULL)",
        "ADD CHECK (last_updated < '1980-01-01')",
        "ADD CHECK (discontinued)",
    ],
)
async def test_a_value_that_the_table_refuses_is_quarantined(services: Services, rule: str) -> None:
    await services.database.execute(f"ALTER TABLE products {rule}")
    event = kinesis_event(kinesis_record('{"product_id": "a", "inventory": 1}', 0))
    assert await services.invoke(event) == ALL_DONE
    (line,) = await services.quarantine_lines()
    assert (line["reason"], line["sequence_number"]) == ("catalog_refused", sequence(0))
    assert "violates check constraint" in line["message"]


async def test_a_value_out_of_the_columns_range_is_quarantined_alone(services: Services) -> None:
    await services.database.execute("ALTER TABLE products ALTER price TYPE numeric(4, 2)")
    event = kinesis_event(
        kinesis_record('{"product_id": "a", "price": 100}', 0),
        kinesis_record('{"product_id": "b", "price": 99}', 1),
    )
    assert await services.invoke(event) == ALL_DONE
    (line,) = await services.quarantine_lines()
    assert (line["reason"], line["sequence_number"]) == ("catalog_refused", sequence(0))


@pytest.mark.parametrize(
    "mistake",
    [
        "ADD brand text NOT NULL",
        "ADD brand text DEFAULT '' CHECK (brand <> '')",
        "ADD brand text DEFAULT '', ADD CHECK (brand <> '' OR inventory > 0)",
        "ADD share integer GENERATED ALWAYS AS (1 / inventory) STORED",
        "ADD reserve integer GENERATED ALWAYS AS (2000000000 + (inventory + 1) * 2000000000) STORED",
        "ADD writer varchar(4), ALTER writer SET DEFAULT current_user",
        "ADD CHECK (2000000000 + (inventory + 1) * 2000000000 > 0) NOT VALID",
        "ADD CHECK (false)",
    ],
)
async def test_a_mistake_in_the_schema_condemns_no_record(services: Services, mistake: str) -> None:
    """Check columns that the processor does not write, so no record is at fault: the error is raised."""
    await services.database.execute(f"ALTER TABLE products {mistake}")
    event = kinesis_event(kinesis_record('{"product_id": "a", "inventory": 0}', 0))
    with pytest.raises(asyncpg.PostgresError):
        await services.invoke(event)
    assert await services.quarantine_lines() == []


async def test_a_check_of_another_table_with_the_same_name_condemns_no_record(services: Services) -> None:
    await services.database.execute(
        """
        CREATE SCHEMA audit;
        CREATE TABLE audit.products (LIKE products INCLUDING ALL);
        GRANT USAGE ON SCHEMA audit TO catalog_writer;
        GRANT INSERT ON audit.products TO catalog_writer;
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO audit.products (product_id, inventory, last_updated)
            VALUES (NEW.product_id, -1, now());
            RETURN NEW;
        END $$;
        CREATE TRIGGER audit AFTER INSERT ON products FOR EACH ROW EXECUTE FUNCTION audit();
        """
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await services.invoke(EVENT)
    assert await services.quarantine_lines() == []


@pytest.mark.parametrize("sqlstate", ["22003", "22012", "23502", "23503", "23505", "23514"])
async def test_what_a_trigger_raises_condemns_no_record(services: Services, sqlstate: str) -> None:
    await fail(services, sqlstate)
    with pytest.raises(asyncpg.PostgresError):
        await services.invoke(EVENT)
    assert await services.quarantine_lines() == []


async def test_what_a_trigger_writes_into_the_table_itself_condemns_no_record(services: Services) -> None:
    """Check with a rule of the table that its own write breaks: for another product."""
    await services.database.execute(
        """
        CREATE FUNCTION add_bundle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO products (product_id, inventory, last_updated)
            VALUES ('bundle of ' || NEW.product_id, -1, now());
            RETURN NEW;
        END $$;
        CREATE TRIGGER add_bundle AFTER INSERT ON products FOR EACH ROW EXECUTE FUNCTION add_bundle();
        """
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await services.invoke(EVENT)
    assert await services.quarantine_lines() == []


async def test_what_a_trigger_raises_beside_a_refused_value_condemns_no_record(services: Services) -> None:
    """Check this when each update is applied on its own."""
    await fail(services, "22003")
    await services.database.execute("ALTER TABLE products ADD CHECK (product_id <> 'b')")
    with pytest.raises(asyncpg.PostgresError):
        await services.invoke(EVENT)
    assert await services.quarantine_lines() == []


async def test_a_wrong_setting_of_the_client_condemns_no_record(services: Services) -> None:
    services.account.variables["PGGSSLIB"] = "x"
    with pytest.raises(asyncpg.InterfaceError, match="gsslib"):
        await services.invoke(EVENT)
    assert await services.quarantine_lines() == []
