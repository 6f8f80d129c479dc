"""The handler while a server is down, slow or replaced."""

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from local.servers import MotoServer, PostgresServer, Servers, ValkeyServer
from local.servers.proxy import open_proxy
from processor.records import Record
from tests.support.events import kinesis_event, kinesis_record, sequence
from tests.support.real_servers import ALL_DONE, Services, open_services


def batch(number: int, *, product_id: str = "a") -> dict[str, object]:
    """Return the shard's batch of this number: two records of one product, with the number as inventory."""
    text = json.dumps({"product_id": product_id, "inventory": number})
    return kinesis_event(kinesis_record(text, 2 * number), kinesis_record(text, 2 * number + 1))


def unfinished(number: int) -> dict[str, object]:
    """Return the response that retries the whole batch of this number."""
    return {"batchItemFailures": [{"itemIdentifier": sequence(2 * number)}]}


async def close_connections(services: Services) -> None:
    """Close the processor's connections in the server, like idle ones while Lambda is frozen."""
    await services.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'inventory-processor' AND datname = current_database()"
    )


@pytest.fixture
async def fragile_catalog(servers: Servers, own_postgres: PostgresServer) -> AsyncIterator[Services]:
    """Yield services whose PostgreSQL the test may break."""
    async with open_services(servers, postgres=own_postgres.address) as services:
        yield services


@pytest.fixture
async def fragile_cache(servers: Servers, own_valkey: ValkeyServer) -> AsyncIterator[Services]:
    """Yield services whose Valkey the test may break."""
    async with open_services(servers, valkey=own_valkey.address) as services:
        yield services


async def test_with_a_stalled_database_the_response_comes_in_time_and_it_recovers(
    fragile_catalog: Services, own_postgres: PostgresServer
) -> None:
    services = fragile_catalog
    assert await services.invoke(batch(1)) == ALL_DONE
    own_postgres.pause()
    began = time.monotonic()
    assert await services.invoke(batch(2), remaining_ms=2_500) == unfinished(2)
    assert time.monotonic() - began < 2.5, "the answer came after Lambda would have stopped the function"
    own_postgres.resume()
    assert await services.invoke(batch(2)) == ALL_DONE
    assert await services.database.fetchval("SELECT inventory FROM products") == 2
    assert len(await services.archive_lines()) == 4


async def test_a_database_that_was_restarted_between_batches_is_found_again(
    fragile_catalog: Services, own_postgres: PostgresServer
) -> None:
    services = fragile_catalog
    assert await services.invoke(batch(1)) == ALL_DONE
    own_postgres.kill()
    assert await services.invoke(batch(2)) == unfinished(2)
    own_postgres.start()
    assert await services.invoke(batch(2)) == ALL_DONE


async def test_connections_closed_during_a_freeze_cost_no_retry(services: Services) -> None:
    assert await services.invoke(batch(1)) == ALL_DONE
    await close_connections(services)
    assert await services.invoke(batch(2)) == ALL_DONE


async def test_a_rotated_password_is_fetched_again(services: Services) -> None:
    assert await services.invoke(batch(1)) == ALL_DONE
    await services.database.execute("ALTER ROLE inventory_processor PASSWORD 'second-password'")
    try:
        async with world_secrets(services) as secrets:
            await secrets.put_secret_value(
                SecretId=services.account.variables["DB_SECRET_ARN"],
                SecretString=json.dumps({"username": "inventory_processor", "password": "second-password"}),
            )
        await close_connections(services)
        assert await services.invoke(batch(2)) == ALL_DONE
    finally:
        await services.database.execute("ALTER ROLE inventory_processor PASSWORD 'first-password'")


async def test_a_database_that_moved_is_found_by_its_secret(services: Services) -> None:
    environment = services.account.variables
    del environment["DB_HOST"], environment["DB_PORT"]
    address = services.postgres

    async def lead_to(port: int) -> None:
        login = {"username": "inventory_processor", "password": "first-password"}
        async with world_secrets(services) as secrets:
            await secrets.put_secret_value(
                SecretId=environment["DB_SECRET_ARN"],
                SecretString=json.dumps({**login, "host": address.host, "port": port}),
            )

    async with open_proxy(address.host, address.port) as old, open_proxy(address.host, address.port) as new:
        await lead_to(old.port)
        assert await services.invoke(batch(1)) == ALL_DONE
        await lead_to(new.port)
        old.cut()
        old.refuse()
        assert await services.invoke(batch(2)) == ALL_DONE
        assert new.accepted == 1


async def test_a_wrong_password_is_a_failed_dependency(services: Services) -> None:
    async with world_secrets(services) as secrets:
        await secrets.put_secret_value(
            SecretId=services.account.variables["DB_SECRET_ARN"],
            SecretString=json.dumps({"username": "inventory_processor", "password": "wrong"}),
        )
    assert await services.invoke(batch(1)) == unfinished(1)


@pytest.mark.parametrize("how", ["down", "stalled", "read-only"])
async def test_updates_reach_the_catalog_without_the_cache(
    fragile_cache: Services, own_valkey: ValkeyServer, how: str
) -> None:
    services = fragile_cache
    assert await services.invoke(batch(1)) == ALL_DONE
    await services.redis.set("product:b", "old")
    if how == "down":
        own_valkey.stop()
    elif how == "stalled":
        own_valkey.pause()
    else:
        await services.redis.replicaof("127.0.0.1", "1")

    began = time.monotonic()
    assert await services.invoke(batch(5, product_id="b")) == ALL_DONE
    assert time.monotonic() - began < 3.0

    row = await services.row("b")
    assert row is not None
    assert await services.pending() == {"b"}
    if how == "down":
        own_valkey.start()
    elif how == "stalled":
        own_valkey.resume()
    else:
        await services.redis.replicaof("NO", "ONE")
    await services.redis.set("product:b", "old")
    assert await services.invoke(batch(2, product_id="c")) == ALL_DONE
    assert await services.pending() == set()
    assert await services.redis.keys("*") == []


async def test_a_read_only_transaction_expires_the_connections(services: Services) -> None:
    assert await services.invoke(batch(1)) == ALL_DONE
    await services.database.execute("ALTER ROLE inventory_processor SET default_transaction_read_only = on")
    await close_connections(services)
    assert await services.invoke(batch(2)) == unfinished(2)
    await services.database.execute("ALTER ROLE inventory_processor RESET default_transaction_read_only")
    assert await services.invoke(batch(2)) == ALL_DONE


async def test_a_changed_column_type_expires_prepared_statements(services: Services) -> None:
    assert await services.invoke(batch(1)) == ALL_DONE
    await services.database.execute("ALTER TABLE products ALTER COLUMN price TYPE numeric(12, 2)")
    assert await services.invoke(batch(2)) == ALL_DONE


async def test_a_held_lock_is_waited_for_until_the_deadline(services: Services) -> None:
    await services.invoke(batch(1))
    holder = await asyncpg.connect(services.postgres.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM products FOR UPDATE")
            assert await services.invoke(batch(2), remaining_ms=1_500) == unfinished(2)
        assert await services.invoke(batch(2)) == ALL_DONE
    finally:
        await holder.close()


async def test_with_a_stalled_archive_the_response_comes_in_time(servers: Servers) -> None:
    with MotoServer() as moto:
        async with open_services(Servers(servers.postgres, servers.valkey, moto)) as services:
            assert await services.invoke(batch(1)) == ALL_DONE
            moto.pause()
            began = time.monotonic()
            assert await services.invoke(batch(2), remaining_ms=2_500) == unfinished(2)
            assert time.monotonic() - began < 2.5
            moto.resume()
            assert await services.invoke(batch(2)) == ALL_DONE
            assert len(await services.archive_lines()) == 4


@pytest.mark.parametrize("secret", [None, "{}", '{"password": "wrong"}'])
async def test_a_cache_whose_password_cannot_be_read_is_unavailable(
    servers: Servers, secret: str | None
) -> None:
    with ValkeyServer(password="a-password") as valkey:
        async with open_services(servers, valkey=valkey.address) as services:
            name = f"cache-{services.account.variables['ENVIRONMENT_SUFFIX']}"
            if secret is not None:
                async with world_secrets(services) as secrets:
                    await secrets.create_secret(Name=name, SecretString=secret)
            services.account.variables.update(REDIS_AUTH="password", REDIS_SECRET_ARN=name)
            assert await services.invoke(batch(1)) == ALL_DONE
            assert await services.pending() == {"a"}


@pytest.mark.parametrize("secret", ["a-password", '{"password": "a-password"}'])
async def test_the_cache_takes_its_password_from_a_secret(servers: Servers, secret: str) -> None:
    with ValkeyServer(password="a-password") as valkey:
        async with open_services(servers, valkey=valkey.address) as services:
            async with world_secrets(services) as secrets:
                made = await secrets.create_secret(Name=f"password-{secret[0]}", SecretString=secret)
            services.account.variables.update(REDIS_AUTH="password", REDIS_SECRET_ARN=made["ARN"])
            await services.redis.set("product:a", "old")
            assert await services.invoke(batch(1)) == ALL_DONE
            assert await services.pending() == set()
            assert await services.redis.keys("*") == []


async def test_a_secret_that_cannot_be_read_is_a_failed_dependency(services: Services) -> None:
    services.account.variables["DB_SECRET_ARN"] += "-gone"
    assert await services.invoke(batch(1)) == unfinished(1)


@pytest.mark.parametrize("halves_from", [1_000, 2], ids=["whole", "halves"])
async def test_concurrent_execution_environments_with_the_same_products_neither_deadlock_nor_differ(
    services: Services, halves_from: int
) -> None:
    """Check I1 with eight processes that upsert the same products in different orders."""
    from processor.adapters.catalog import PostgresCatalog
    from processor.adapters.postgres import Database
    from processor.fold import fold
    from processor.updates import Update, decode
    from tests.support.events import record

    updates = []
    for number in range(800):
        decoded = decode(record({"product_id": f"p{number % 40}", "inventory": number}, number))
        assert isinstance(decoded, Update)
        updates.append(decoded)
    databases = [Database(services.administrator, None, 2) for _ in range(8)]
    try:
        # Each has every eighth update, some forwards and some backwards, in batches of 20.
        async def environment(number: int) -> None:
            mine = updates[number::8] if number % 2 else updates[number::8][::-1]
            catalog = PostgresCatalog(databases[number], process_id=str(number), halves_from=halves_from)
            for start in range(0, len(mine), 20):
                await catalog.upsert(fold(mine[start : start + 20]).changes)

        await asyncio.gather(*map(environment, range(8)))
    finally:
        for database in databases:
            database.terminate()
    rows = await services.database.fetch("SELECT product_id, inventory FROM products")
    assert {row["product_id"]: row["inventory"] for row in rows} == {
        f"p{product}": 760 + product for product in range(40)
    }


def world_secrets(services: Services):  # type: ignore[no-untyped-def]  # noqa: ANN201 the stubs' context has no name
    """Return a Secrets Manager client for these services."""
    import aioboto3

    environment = services.account.variables
    return aioboto3.Session(
        aws_access_key_id="local", aws_secret_access_key="local", region_name=environment["AWS_REGION"]
    ).client("secretsmanager", endpoint_url=environment["AWS_ENDPOINT_URL"])


@pytest.mark.parametrize("kind", ["known", "unexpected"])
async def test_a_batch_that_failed_is_not_kept(
    services: Services, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a search for cyclic garbage, which comes late, nothing is left of a batch that failed."""
    # pytest keeps what is logged, with its tracebacks.
    monkeypatch.setattr(logging.getLogger("inventory-processor"), "propagate", False)
    if kind == "known":
        services.account.variables["DB_PORT"] = "1"
    else:
        await services.database.execute("ALTER TABLE products RENAME TO products_of_before")
    event = batch(1)
    # The first makes what every later one finds.
    for _ in range(2):
        with suppress(asyncpg.PostgresError):
            assert await services.invoke(event) != ALL_DONE
    gc.collect()
    before = records_in_memory()
    gc.disable()
    try:
        with suppress(asyncpg.PostgresError):
            await services.invoke(event)
        assert records_in_memory() == before
    finally:
        gc.enable()


def records_in_memory() -> int:
    return sum(type(one) is Record for one in gc.get_objects())
