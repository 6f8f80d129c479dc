"""`catalog replay` rebuilds rows from the archive, and says what it cannot."""

import gzip
import json
from typing import Any

import pytest

from processor.records import Record
from processor.s3_objects import ARCHIVE_PREFIX, archive_line, object_key
from tests.catalog.conftest import Catalog
from tests.support.events import ARRIVAL_MS, kinesis_event, kinesis_record, record
from tests.support.real_servers import ALL_DONE, Services

YES = ("--yes", "--reason", "a test")
DAY = "2026-01-31"


async def process(services: Services, *updates: Any, first: int = 0) -> None:
    """Have the processor process updates as one batch."""
    records = [kinesis_record(update, first + place) for place, update in enumerate(updates)]
    assert await services.invoke(kinesis_event(*records)) == ALL_DONE


async def put_object(services: Services, *lines: tuple[Record, str]) -> str:
    """Put an object of the archive with these records and verdicts; return its key."""
    body = b"".join(archive_line(*line) + b"\n" for line in lines)
    key = object_key(ARCHIVE_PREFIX, [record for record, _ in lines], body, ".ndjson.gz")
    await services.account.s3.put_object(
        Bucket=services.account.archive_bucket, Key=key, Body=gzip.compress(body)
    )
    return key


async def rows(services: Services, table: str = "products") -> list[dict[str, Any]]:
    """Return a table's rows."""
    found = await services.database.fetch(f"SELECT * FROM {table} ORDER BY product_id")  # noqa: S608 our own
    return [dict(row) for row in found]


async def test_a_lost_row_and_a_damaged_one_are_rebuilt_and_invalidated(
    services: Services, catalog: Catalog
) -> None:
    await process(services, {"product_id": "a", "inventory": 1}, {"product_id": "b", "price": 2}, b"bad")
    await process(services, {"product_id": "a", "price": 3}, first=3)
    before = await rows(services)
    await services.database.execute("DELETE FROM products WHERE product_id = 'b'")
    await services.database.execute(
        "UPDATE products SET inventory = 9, inventory_version = NULL WHERE product_id = 'a'"
    )
    await services.redis.set("product:a", "old")

    dry = await catalog("replay", "--json")
    assert dry.exit_code == 0
    document = json.loads(dry.stdout)
    assert (document["objects"], document["lines"], document["updates"]) == (2, 4, 3)
    assert (document["products"], document["rows"], document["rejected"]) == (2, 2, 1)
    assert await rows(services) != before

    done = await catalog("replay", "--json", *YES)
    assert (done.exit_code, json.loads(done.stdout)["rows_changed"]) == (0, 2)
    assert await rows(services) == before
    assert await services.redis.keys("*") == []
    (operation,) = json.loads((await catalog("history", "--json")).stdout)
    assert (operation["command"], operation["state"], operation["reason"]) == ("replay", "done", "a test")
    assert json.loads((await catalog("replay", "--json", *YES)).stdout)["rows_changed"] == 0


async def test_a_row_changed_by_hand_is_restored(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1, "price": 2}, {"product_id": "b", "price": 2})
    before = await rows(services)
    await services.database.execute(
        "UPDATE products SET price = 9, discontinued = true, last_updated = 'infinity'"
    )
    await services.redis.set("product:a", "old")
    dry = await catalog("replay", "--product", "a", "--restore")
    assert dry.stdout.splitlines()[1].startswith(
        "1 product; 0 rows of products would change; of 1 row values would be restored: a (`catalog diff"
    )
    assert json.loads((await catalog("replay", "--product", "a", "--restore", "--json")).stdout)[
        "restored"
    ] == ["a"]
    assert [str(row["price"]) for row in await rows(services)] == ["9.00", "9.00"]
    result = await catalog("replay", "--product", "a", "--restore", "--json", *YES)
    assert (result.exit_code, json.loads(result.stdout)["rows_changed"]) == (0, 1)
    restored, other = await rows(services)
    assert (restored, str(other["price"]), await services.redis.keys("*")) == (before[0], "9.00", [])
    again = await catalog("replay", "--product", "a", "--restore", "--json", *YES)
    assert json.loads(again.stdout)["rows_changed"] == 0


async def test_what_is_newer_is_not_restored(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1, "price": 2})
    await services.database.execute(
        "UPDATE products SET price = 9, price_version = '9999', inventory = 5, inventory_version = NULL"
    )
    await catalog("replay", "--product", "a", "--restore", *YES)
    (row,) = await rows(services)
    assert (row["inventory"], str(row["price"]), row["price_version"]) == (1, "9.00", "9999")


async def test_only_chosen_rows_of_the_catalog_are_restored(catalog: Catalog) -> None:
    for arguments in (("--restore",), ("--restore", "--product", "a", "--into", "friday")):
        result = await catalog("replay", *arguments)
        assert (result.exit_code, result.stderr) == (2, "error: --restore needs --product, and no --into\n")


async def test_newer_rows_stay(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    await services.database.execute("UPDATE products SET inventory = 5, inventory_version = '9999'")
    await catalog("replay", *YES)
    assert [row["inventory"] for row in await rows(services)] == [5]


async def test_the_screen_of_a_dry_run(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a[red]\u2028", "inventory": 1}, {"product_id": "b", "price": 2})
    await services.database.execute("DELETE FROM products")
    result = await catalog("replay")
    assert result.stdout.splitlines() == [
        "1 object, 2 lines: 1 update, 1 rejected record, 0 outside of the selection",
        "1 product; 1 row of products would change",
        "┏━━━━━━━━━┳━━━━━━━━━━━━┓",
        "┃ product ┃ would get  ┃",
        "┡━━━━━━━━━╇━━━━━━━━━━━━┩",
        "│ b       │ price 2.00 │",
        "└─────────┴────────────┘",
    ]
    assert "Dry run: nothing was changed. To apply them to products, give --yes." in result.stderr


async def test_a_past_state_goes_into_a_table_of_its_own(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    later = kinesis_record({"product_id": "a", "inventory": 2}, 1, arrival_seconds=ARRIVAL_MS / 1000 + 60)
    assert await services.invoke(kinesis_event(later)) == ALL_DONE
    result = await catalog("replay", "--as-of", "2026-01-31T08:30:30Z", "--into", "friday", *YES)
    assert result.exit_code == 0, result.output
    assert [row["inventory"] for row in await rows(services, "replay.friday")] == [1]
    assert [row["inventory"] for row in await rows(services)] == [2]


async def test_a_table_of_another_shape_is_refused(services: Services, catalog: Catalog) -> None:
    await services.database.execute(
        "CREATE TABLE replay.mine (product_id text); GRANT ALL ON replay.mine TO catalog_writer"
    )
    result = await catalog("replay", "--into", "mine", *YES)
    assert result.exit_code == 2
    assert "exists and has other columns than products" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--into", 'x"; DROP TABLE products'), "the name of a table is accepted"),
        (("--from", "yesterday"), "--from is 'yesterday'; accepted, in UTC if without offset: 2026-01-31, "),
        (("--from", "2026-02-01", "--to", DAY), "--from is later than --to"),
        (("--yes",), "--yes needs --reason"),
        (("--source", "/nowhere"), "a folder with objects of the archive is accepted"),
        (("--resume", *YES), "no replay with these arguments was begun"),
    ],
)
async def test_wrong_usage(catalog: Catalog, arguments: tuple[str, ...], message: str) -> None:
    result = await catalog("replay", *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


async def test_only_the_lines_of_a_time_and_of_products(services: Services, catalog: Catalog) -> None:
    # An object is filed under the day of its first record; its last one arrived two days later.
    lines = [
        (
            record(
                {"product_id": f"p{day}", "inventory": day}, day, arrival_ms=ARRIVAL_MS + day * 86_400_000
            ),
            "accepted",
        )
        for day in range(3)
    ]
    await put_object(services, *lines)
    result = await catalog("replay", "--from", "2026-02-01", "--product", "p2", "--product", "p0", *YES)
    assert result.exit_code == 0, result.output
    assert [row["product_id"] for row in await rows(services)] == ["p2"]
    result = await catalog("replay", "--to", DAY, "--product", "-", *YES, stdin="p0\np1\n")
    assert [row["product_id"] for row in await rows(services)] == ["p0", "p2"]


@pytest.mark.parametrize("arguments", [(), YES])
async def test_a_product_without_updates_is_named(
    services: Services, catalog: Catalog, arguments: tuple[str, ...]
) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    result = await catalog("replay", "--product", "nosuch", *arguments)
    assert (result.exit_code, "no update was read of nosuch\n" in result.stderr) == (1, True)
    assert "nosuch" not in (await catalog("replay", "--product", "a", *arguments)).stderr


async def test_what_cannot_be_applied_is_counted_and_left_out(services: Services, catalog: Catalog) -> None:
    good = record({"product_id": "good", "inventory": 1}, 0)
    await put_object(
        services,
        (good, "accepted"),
        (record({"product_id": "bad", "inventory": -1}, 1), "accepted"),
        (record({"product_id": "late", "inventory": 1}, 2), "invalid_price"),
        (record({"product_id": "killer", "inventory": 1}, 3), "killed_process"),
    )
    key = await put_object(services, (record({"product_id": "other", "inventory": 1}, 9), "accepted"))
    await services.account.s3.put_object(
        Bucket=services.account.archive_bucket, Key=key, Body=gzip.compress(b"tampered\n")
    )
    result = await catalog("replay", "--json", *YES)
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["findings"], document["damaged"]) == ({"now_rejected": 1, "now_accepted": 1}, 1)
    assert [row["product_id"] for row in await rows(services)] == ["good"]
    assert any(sample.startswith(f"{key}: its content's hash begins with") for sample in document["samples"])


async def test_a_fixed_record_counts(services: Services, catalog: Catalog) -> None:
    await put_object(services, (record({"product_id": "a", "inventory": -1}), "invalid_inventory"))
    await put_object(services, (record({"product_id": "a", "inventory": 1}), "accepted"))
    result = await catalog("replay", *YES)
    assert (result.exit_code, [row["inventory"] for row in await rows(services)]) == (0, [1])


async def test_a_value_that_the_table_refuses_does_not_hide_an_older_one(
    services: Services, catalog: Catalog
) -> None:
    await put_object(
        services,
        (record({"product_id": "a", "inventory": 5}, 0), "accepted"),
        (record({"product_id": "a", "inventory": 666}, 1), "accepted"),
    )
    await services.database.execute("ALTER TABLE products ADD CHECK (inventory <> 666)")
    result = await catalog("replay", "--json", *YES)
    assert (result.exit_code, list(json.loads(result.stdout)["refused"])) == (1, ["a"])
    assert [row["inventory"] for row in await rows(services)] == [5]


async def test_a_limit_ends_between_two_objects(services: Services, catalog: Catalog) -> None:
    for place, name in enumerate("abc"):
        await put_object(services, (record({"product_id": name, "inventory": 1}, 9 * place), "accepted"))
    assert json.loads((await catalog("replay", "--json", "--limit", "2")).stdout)["rows"] == 2
    result = await catalog("replay", "--limit", "2", "--rate", "1000", *YES)
    assert (result.exit_code, [row["product_id"] for row in await rows(services)]) == (0, ["a", "b"])
    assert result.stderr.endswith("2 objects are done. To go on, give the same arguments and --resume.\n")
    assert json.loads((await catalog("replay", "--resume", "--json")).stdout)["rows"] == 1
    assert (await catalog("replay", "--resume", *YES)).exit_code == 0
    assert [row["product_id"] for row in await rows(services)] == ["a", "b", "c"]
    assert (await catalog("replay", "--resume", *YES)).exit_code == 2  # that one is done


async def test_an_interrupted_one_goes_on_after_its_last_object(services: Services, catalog: Catalog) -> None:
    first = await put_object(services, (record({"product_id": "a", "inventory": 1}, 0), "accepted"))
    await put_object(services, (record({"product_id": "b", "inventory": 1}, 9), "accepted"))
    await catalog("replay", *YES)
    (entry,) = json.loads((await catalog("history", "--json")).stdout)
    entry["state"], entry["changes"]["done_through"] = "interrupted", first
    await services.account.s3.put_object(
        Bucket=services.account.quarantine_bucket,
        Key=f"operations/{entry['begun_at'][:10]}/{entry['id']}.json",
        Body=json.dumps(entry).encode(),
    )
    await services.database.execute("DELETE FROM products")
    result = await catalog("replay", "--resume", *YES)
    assert result.exit_code == 0, result.output
    assert [row["product_id"] for row in await rows(services)] == ["b"]
    assert (await catalog("replay", "--resume", *YES)).exit_code == 2  # that one is done
