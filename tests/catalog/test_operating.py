"""docs/operating.md, tried: a fault is put in, and the commands of its section print what the page says."""

import asyncio
import json
import shlex
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from local.demo.pipeline import SCHEDULED_EVENT
from local.emulated_aws.account import READER_ROLE
from local.servers import Servers, ValkeyServer
from processor.reasons import Reason
from processor.s3_objects import quarantine_line
from processor.updates import Rejection
from tests.catalog.conftest import Catalog, lines_of
from tests.support.documents import Document, document
from tests.support.events import SHARD, kinesis_event, kinesis_record, record
from tests.support.failed_batches import put_failed_batch, put_object, update_event
from tests.support.real_servers import ALL_DONE, Services, open_services, until

PAGE = document("docs/operating.md")


@pytest.fixture
async def services(servers: Servers, own_valkey: ValkeyServer) -> AsyncIterator[Services]:
    """Services with a cache that the test may break."""
    async with open_services(servers, valkey=own_valkey.address) as services:
        yield services


@pytest.fixture
def environment_extras(own_valkey: ValkeyServer) -> dict[str, Any]:
    """Address of that cache, for the program."""
    return {"cache_port": own_valkey.address.port}


def commands_of(heading: str) -> list[list[str]]:
    """Return the arguments of each command of the program in a section, as on a kept local run."""
    section = Document(PAGE.name, PAGE.section(heading))
    found = []
    for block in section.blocks():
        for line in block.text.splitlines():
            words = shlex.split(line.replace(" --env dev", "")) if line.startswith("catalog ") else []
            found += [words[1:]] if words else []
    assert found, heading
    return found


async def part_of_status(catalog: Catalog, name: str) -> list[str]:
    """Return the lines of one part of the screen."""
    lines = lines_of((await catalog("status")).stdout)
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{name} "))
    more = (number for number in range(begin + 1, len(lines)) if not lines[number].startswith(" "))
    return [line[16:] for line in lines[begin : next(more, len(lines))]]


def just_arrived(*data: str | dict[str, Any]) -> dict[str, Any]:
    """Return an event whose records have just arrived."""
    return kinesis_event(*(kinesis_record(one, n, arrival_seconds=time.time()) for n, one in enumerate(data)))


async def test_pool_use_a_session_that_locks_the_table_is_named_and_can_be_ended(
    services: Services, catalog: Catalog
) -> None:
    locker = await asyncpg.connect(services.postgres.dsn, server_settings={"application_name": "psql"})
    transaction = locker.transaction()
    await transaction.start()
    await locker.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
    shown = await catalog("show", "a")
    assert (shown.exit_code, "has not answered within 5 s: `catalog status`" in shown.stderr) == (3, True)

    processing = asyncio.create_task(services.invoke(update_event(1)))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"
    await until(lambda: services.database.fetchval(waiting))
    pid = locker.get_server_pid()
    (_, blocker) = await part_of_status(catalog, "database")
    assert blocker == f"statements wait for a lock of process {pid} (psql, role postgres)"

    await services.database.execute("SELECT pg_terminate_backend($1)", pid)
    assert await processing == ALL_DONE
    assert len(await part_of_status(catalog, "database")) == 1
    locker.terminate()


async def test_database_connections_who_has_them_is_named(services: Services, catalog: Catalog) -> None:
    settings = {"application_name": "shop"}
    many = [asyncpg.connect(services.postgres.dsn, server_settings=settings) for _ in range(78)]
    connections = await asyncio.gather(*many)
    (_, used) = await part_of_status(catalog, "database")
    assert used.startswith("used by: 78 shop, ")
    for connection in connections:
        connection.terminate()


async def test_database_connections_when_none_is_left_the_database_says_so(
    services: Services, catalog: Catalog
) -> None:
    await services.database.execute(f"ALTER ROLE {READER_ROLE} CONNECTION LIMIT 0")
    try:
        (refused, *_) = await part_of_status(catalog, "database")
    finally:
        await services.database.execute(f"ALTER ROLE {READER_ROLE} CONNECTION LIMIT -1")
    assert " refuses the connection: too many connections for" in refused


async def test_pending_invalidations_grow_while_the_cache_is_away_and_end_afterwards(
    services: Services, catalog: Catalog, own_valkey: ValkeyServer
) -> None:
    own_valkey.pause()
    try:
        await services.invoke(just_arrived({"product_id": "a", "inventory": 1}))
        assert (await part_of_status(catalog, "invalidations"))[0].startswith("1 pending, the oldest for")
        assert (await part_of_status(catalog, "cache"))[0].startswith("Timeout ")
        shown = await catalog("show", "a")
        assert "unreachable" in shown.stdout
        assert "its invalidation is pending" in shown.stdout
    finally:
        own_valkey.resume()
    await services.invoke(SCHEDULED_EVENT)
    assert await part_of_status(catalog, "invalidations") == ["0 pending"]


async def test_cache_memory_is_shown_as_a_share(services: Services, catalog: Catalog) -> None:
    await services.redis.config_set("maxmemory", "64mb")
    (state,) = await part_of_status(catalog, "cache")
    assert "%), 0 evictions" in state


async def test_errors_a_column_that_is_missing_is_named(services: Services, catalog: Catalog) -> None:
    await services.database.execute("ALTER TABLE products RENAME COLUMN price TO cost")
    event = just_arrived({"product_id": "a", "price": 1})
    with pytest.raises(asyncpg.UndefinedColumnError):
        await services.invoke(event)
    shown = await catalog("show", "a")
    assert (shown.exit_code, 'column "price" does not exist' in shown.stderr) == (3, True)

    await services.database.execute("ALTER TABLE products RENAME COLUMN cost TO price")
    found = await catalog("diff")
    assert (found.exit_code, "missing_row" in found.stdout) == (1, True)
    assert await services.invoke(event) == ALL_DONE
    assert (await catalog("diff")).exit_code == 0


@pytest.mark.parametrize("heading", ["failed-batches", "Failed batches"])
async def test_failed_batches_are_redriven(services: Services, catalog: Catalog, heading: str) -> None:
    await put_failed_batch(services, update_event(1, 2), "one", condition="RecordAgeExceeded")
    assert (await part_of_status(catalog, "failed batches"))[0].startswith("1 to redrive, ")
    look, *then = [command for command in commands_of(heading) if command[0] == "redrive"]
    assert "RecordAgeExceeded" in (await catalog(*look)).stdout
    # The page's period is a night's; the batch of this test is older.
    change = ["--yes", "--reason", "database restored"]
    assert not then or change == then[0][-3:]
    assert (await catalog(*look, *change)).exit_code == 0
    assert (await part_of_status(catalog, "failed batches"))[0].startswith("0 to redrive; about 1 message")
    assert (await catalog("diff")).exit_code == 0


async def test_dlq_depth_messages_of_batches_that_were_redriven_before_are_deleted(
    services: Services, catalog: Catalog
) -> None:
    change = ("redrive", "--yes", "--reason", "test", "--json")
    key = await put_failed_batch(services, update_event(1), "one")
    await catalog(*change)
    again = await services.account.s3.get_object(Bucket=services.account.quarantine_bucket, Key=key)
    body = await again["Body"].read()
    await services.account.s3.put_object(Bucket=services.account.quarantine_bucket, Key=key, Body=body)
    result = json.loads((await catalog(*change)).stdout)
    assert (result["batches"], result["messages_deleted"]) == (0, 1)


async def test_destination_delivery_failures_what_the_archive_has_is_applied(
    services: Services, catalog: Catalog
) -> None:
    await services.invoke(update_event(1, 2))
    await services.database.execute("DELETE FROM products WHERE product_id = 'p1'")
    assert (await catalog("diff")).exit_code == 1
    (replay, *_) = commands_of("destination-delivery-failures")
    assert (await catalog(*replay)).exit_code == 0
    assert (await catalog("diff")).exit_code == 0


async def test_writes_refused_the_busiest_product_and_supplier_come_first(
    services: Services, catalog: Catalog
) -> None:
    event = update_event(1, 2, 3, supplier="acme")
    event["Records"][0]["kinesis"]["partitionKey"] = "quiet"
    await services.invoke(event)
    products, suppliers = commands_of("writes-refused")
    assert lines_of((await catalog(*products)).stdout)[2].split() == [
        "shardId-000000000006",
        "partition-key",
        "2",
    ]
    assert lines_of((await catalog(*suppliers)).stdout)[2].split() == ["acme", "3"]


async def test_rejected_share_reasons_and_suppliers_are_listed(services: Services, catalog: Catalog) -> None:
    await services.invoke(just_arrived("{", {"product_id": "a", "price": -1, "supplier": "acme"}))
    (look,) = commands_of("rejected-share")
    shown = (await catalog(*look)).stdout
    assert "│ invalid_price │ acme     │ 1       │" in shown
    assert "│ invalid_json  │ unknown  │ 1       │" in shown


async def test_rejected_catalog_refused_postgresqls_words_are_shown_and_a_redrive_ends_it(
    services: Services, catalog: Catalog
) -> None:
    await services.database.execute("ALTER TABLE products ADD CONSTRAINT cheap CHECK (price < 10)")
    await services.invoke(just_arrived({"product_id": "a", "price": 11}))
    (look,) = commands_of("rejected-catalog-refused")
    assert 'constraint "cheap"' in " ".join((await catalog(*look)).stdout.replace("│", "").split())
    dry, change = commands_of("Our mistake")
    assert (await catalog(*dry)).stdout.startswith("1 record to send\n  catalog_refused: 1\n")
    failed = await catalog(*change)
    assert (failed.exit_code, "rejected again: " in failed.stdout) == (1, True)

    await services.database.execute("ALTER TABLE products DROP CONSTRAINT cheap")
    assert (await catalog(*change)).exit_code == 0
    assert (await services.row("a")) is not None
    assert (await catalog(*look)).stdout.startswith("0 quarantined records")


async def test_rejected_invalid_base64_is_listed_and_never_sent_again(
    services: Services, catalog: Catalog
) -> None:
    event = just_arrived("x")
    event["Records"][0]["kinesis"]["data"] = "%"
    await services.invoke(event)
    (look,) = commands_of("rejected-invalid-base64")
    assert "│ invalid_base64 │ unknown  │ 1       │" in (await catalog(*look)).stdout
    sent = await catalog("quarantine", "redrive", "--code", "invalid_base64", "--json")
    assert json.loads(sent.stdout)["records"] == 0


@pytest.mark.parametrize("reason", [Reason.INTERNAL_ERROR, Reason.KILLED_PROCESS])
async def test_rejected_for_our_mistake_records_are_listed_and_sent_again(
    services: Services, catalog: Catalog, reason: Reason
) -> None:
    now = datetime.now(UTC)
    good = record({"product_id": "a", "inventory": 1}, arrival_ms=round(now.timestamp() * 1000))
    name = f"{good.sequence_number}-{good.sequence_number}-000000000000"
    key = f"quarantine/dt={now.date()}/{SHARD}/{name}.ndjson"
    await put_object(services, key, quarantine_line(Rejection(good, reason, "what happened")))
    (look,) = commands_of(f"rejected-{reason.value.replace('_', '-')}")
    assert f"│ {reason.value} │ unknown  │ 1       │" in (await catalog(*look)).stdout
    _, change = commands_of("Our mistake")
    change[change.index("catalog_refused")] = reason.value
    assert (await catalog(*change)).exit_code == 0
    assert await services.row("a") is not None
