"""Migrations, roles and rights on a real database."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from local.emulated_aws.account import open_account
from local.servers import PostgresServer, Servers
from processor import migrate
from processor.migrate import Migration, MigrationError
from tests.support.real_servers import PASSWORD, Services, environment_variables


async def connect(services: Services, user: str, password: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect to the services' database."""
    address = services.postgres
    return await asyncpg.connect(
        host=address.host, port=address.port, database=address.database, user=user, password=password
    )


async def test_migrating_again_applies_nothing(services: Services) -> None:
    with environment_variables(services.account.variables):
        again = await asyncio.to_thread(migrate.handler, {"any": "event"}, None)
    assert again == {
        "applied": [],
        "version": len(migrate.read_migrations()),
        "application_role": "inventory_processor",
        "reader_role": "product_shop",
    }


async def test_two_concurrent_deploys_apply_each_migration_once(services: Services) -> None:
    latest = Migration(len(migrate.read_migrations()) + 1, "latest", "CREATE TABLE latest (id integer)")
    connections = [await asyncpg.connect(services.postgres.dsn) for _ in range(4)]
    migrations = [*migrate.read_migrations(), latest]

    async def deploy(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
        async with migrate.one_deploy_at_a_time(connection):
            return await migrate.migrate(connection, migrations)

    applied = await asyncio.gather(*map(deploy, connections))
    assert sorted(applied) == [[], [], [], ["latest"]]
    for connection in connections:
        await connection.close()


async def test_a_failing_migration_leaves_nothing_half_applied(services: Services) -> None:
    good = migrate.read_migrations()
    bad = Migration(len(good) + 1, "bad", "CREATE TABLE half (id integer); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate.migrate(services.database, [*good, bad])
    assert await services.database.fetchval("SELECT to_regclass('half')") is None
    assert await services.database.fetchval("SELECT max(number) FROM schema_migration") == len(good)
    assert await services.database.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_a_migration_changed_after_it_was_applied_is_refused(services: Services) -> None:
    first, *rest = migrate.read_migrations()
    changed = Migration(first.number, first.name, first.sql + "-- a change")
    with pytest.raises(MigrationError, match="0001_catalog was changed after it was applied"):
        await migrate.migrate(services.database, [changed, *rest])


async def test_the_application_role_may_write_the_catalog_and_nothing_more(services: Services) -> None:
    connection = await connect(services, "inventory_processor", PASSWORD)
    try:
        await connection.execute(
            "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
        )
        for forbidden in (
            "DELETE FROM products",
            "TRUNCATE products",
            "DROP TABLE products",
            "ALTER TABLE products ADD COLUMN x text",
            "CREATE TABLE mine (id integer)",
            "UPDATE schema_migration SET name = 'x'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
    finally:
        await connection.close()


async def test_the_shops_role_may_only_read(services: Services) -> None:
    connection = await connect(services, "product_shop", PASSWORD)
    try:
        for allowed in ("SELECT * FROM products", "SELECT * FROM pending_invalidation"):
            assert await connection.fetch(allowed) == []
        for forbidden in (
            "UPDATE products SET inventory = 0",
            "DELETE FROM pending_invalidation",
            "SELECT * FROM processing_attempt",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "row",
    [
        "('', 1, 1)",
        f"('{'x' * 256}', 1, 1)",
        "('a', -1, 1)",
        "('a', 1, -0.01)",
        "('a', 1, 100000000)",
        "('a', NULL::integer, 1)",
    ],
)
async def test_the_table_repeats_the_bounds(services: Services, row: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await services.database.execute(
            f"INSERT INTO products SELECT p, i, NULL, c, NULL, now() FROM (VALUES {row}) AS r (p, i, c)"  # noqa: S608
        )
    assert (refused.value.sqlstate or "")[:2] in ("22", "23")


async def test_updates_of_changing_columns_stay_on_their_page(services: Services) -> None:
    """Check that they are HOT updates: no index on a changing column, and room on the page."""
    await services.database.execute(
        "INSERT INTO products SELECT 'p' || n, n, NULL, NULL, NULL, now() FROM generate_series(1, 2000) AS n"
    )
    await services.database.execute("UPDATE products SET inventory = inventory + 1 WHERE inventory % 10 = 0")
    await services.database.execute("SELECT pg_stat_force_next_flush()")
    counts = await services.database.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'products'"
    )
    assert counts is not None
    assert counts["n_tup_upd"] == 200
    assert counts["n_tup_hot_upd"] > 0.9 * 200


async def test_an_administrator_with_the_rights_of_rdss_may_migrate(
    servers: Servers, own_postgres: PostgresServer
) -> None:
    """Check this for RDS's master user: not a superuser, but it may create roles and owns its database."""
    superuser = await asyncpg.connect(own_postgres.address.dsn)
    await superuser.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'master-password'")
    await superuser.execute("CREATE DATABASE productcatalog OWNER master")
    await superuser.close()
    address = replace(
        own_postgres.address, user="master", password="master-password", database="productcatalog"
    )
    async with open_account(
        servers.moto.endpoint_url,
        address,
        servers.valkey.address,
        suffix="rds",
        shards=1,
        application_password=PASSWORD,
    ) as account:
        with environment_variables(account.variables):
            first = await asyncio.to_thread(migrate.handler, {}, None)
            second = await asyncio.to_thread(migrate.handler, {}, None)
    assert (first["applied"], second["applied"]) == (
        [migration.name for migration in migrate.read_migrations()],
        [],
    )
    application = replace(address, user="inventory_processor", password=PASSWORD)
    connection = await asyncpg.connect(application.dsn)
    await connection.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
    )
    await connection.close()
