"""`catalog produce --wait` says what became of each record."""

import asyncio
import json
from typing import Any

from processor.records import Record
from tests.catalog.conftest import Catalog
from tests.catalog.test_produce import GOOD, sent
from tests.catalog.test_replay import put_object
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import Services, until


def _delivered(record: dict[str, Any]) -> dict[str, Any]:
    arrived = record["ApproximateArrivalTimestamp"].timestamp()
    made = kinesis_record(record["Data"], partition_key=record["PartitionKey"], arrival_seconds=arrived)
    made["kinesis"]["sequenceNumber"] = record["SequenceNumber"]
    made["eventID"] = f"shardId-000000000000:{record['SequenceNumber']}"
    return made


async def outcome(catalog: Catalog, services: Services, lines: str) -> dict[str, Any]:
    """Return what became of lines that are sent, and processed as one batch."""
    running = asyncio.ensure_future(catalog("produce", "-", "--wait", "--json", stdin=lines))

    async def arrived() -> bool:
        return len(await sent(services)) == lines.count("\n")

    await until(arrived)
    await services.invoke(kinesis_event(*(_delivered(record) for record in await sent(services))))
    result = await running
    assert result.exit_code == 0, result.output
    # The processor, in the same process, prints its own lines meanwhile.
    (printed,) = [line for line in result.stdout.splitlines() if line.startswith('{"stream"')]
    found: dict[str, Any] = json.loads(printed)["outcome"]
    return found


async def test_it_waits_until_all_is_in_the_catalog_or_in_quarantine(
    catalog: Catalog, services: Services
) -> None:
    newer = {"product_id": "b", "inventory": 5, "event_time": "2026-03-01T00:00:00Z"}
    await services.invoke(kinesis_event(kinesis_record(newer, arrival_seconds=1_800_000_000)))
    older = '{"product_id":"b","inventory":2,"event_time":"2026-02-01T00:00:00Z"}'
    lines = f'{GOOD}\n{{"product_id":"a","inventory":2}}\n{older}\n{{"product_id":"a","price":19.995}}\n'
    assert await outcome(catalog, services, lines) == {
        "in_catalog": 1,
        "replaced": 1,
        "superseded": 1,
        "quarantined": {"invalid_price": 1},
        "unprocessed": 0,
    }


async def test_what_the_table_refuses_is_in_quarantine(catalog: Catalog, services: Services) -> None:
    await services.database.execute("ALTER TABLE products ADD CHECK (inventory <> 1)")
    found = await outcome(catalog, services, f"{GOOD}\n")
    assert (found["quarantined"], found["unprocessed"]) == ({"catalog_refused": 1}, 0)


async def test_a_database_that_fails_meanwhile(catalog: Catalog, services: Services) -> None:
    await services.database.execute("ALTER TABLE products RENAME TO elsewhere")
    running = asyncio.ensure_future(catalog("produce", "-", "--wait", stdin=GOOD))

    async def arrived() -> bool:
        return bool(await sent(services))

    await until(arrived)
    (taken,) = await sent(services)
    at_ms = int(taken["ApproximateArrivalTimestamp"].timestamp() * 1000)
    shard = "shardId-000000000000"
    await put_object(
        services, (Record(shard, taken["SequenceNumber"], 0, "a", at_ms, taken["Data"]), "accepted")
    )
    result = await running
    first, second = result.stderr.splitlines()
    stream = services.account.stream_name
    assert (result.exit_code, first) == (
        3,
        f"1 record was sent to {stream}; what became of them is not known.",
    )
    assert second.startswith("error: UndefinedTableError: ")
