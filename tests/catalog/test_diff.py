"""`catalog diff` finds every field in which archive and table differ, and says why."""

import json

import pytest

from processor.reasons import Reason
from processor.s3_objects import quarantine_line
from processor.updates import Rejection
from tests.catalog.conftest import Catalog
from tests.catalog.test_replay import process, put_object
from tests.support.events import ARRIVAL_MS, SHARD, record, sequence
from tests.support.failed_batches import put_object as put_quarantined
from tests.support.real_servers import Services

UPDATES = ({"product_id": "a", "inventory": 1, "price": "2.50"}, {"product_id": "b", "discontinued": True})

LAST_UPDATED = ("a", "last_updated", "last_updated")


async def differences(catalog: Catalog, *arguments: str) -> list[tuple[str, str, str]]:
    """Return product, field and kind of each difference, and check the exit code."""
    result = await catalog("diff", "--json", *arguments)
    shown = json.loads(result.stdout)["shown"]
    assert result.exit_code == (1 if shown else 0), result.output
    return [(one["product_id"], one["field"], one["kind"]) for one in shown]


async def explanation(catalog: Catalog) -> str:
    """Return the explanation of the only difference."""
    (one,) = json.loads((await catalog("diff", "--json")).stdout)["shown"]
    return str(one["explanation"])


async def test_what_the_processor_did_does_not_differ(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES, b"bad")
    await process(services, {"product_id": "a", "inventory": 3}, first=3)
    result = await catalog("diff")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "2 objects, 4 lines: 3 updates, 1 rejected record, 0 outside of the selection",
            "2 products: no difference",
        ],
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM products WHERE product_id = 'b'", ("b", "discontinued", "missing_row")),
        ("UPDATE products SET inventory = 7 WHERE product_id = 'a'", ("a", "inventory", "other_value")),
        ("UPDATE products SET price = 2.51 WHERE product_id = 'a'", ("a", "price", "other_value")),
        ("UPDATE products SET price = 2.51 WHERE product_id = 'b'", ("b", "price", "other_value")),
        ("UPDATE products SET inventory = 7 WHERE product_id = 'b'", ("b", "inventory", "other_value")),
        ("UPDATE products SET price_version = NULL WHERE product_id = 'a'", ("a", "price", "behind")),
        ("UPDATE products SET price_version = '1970' WHERE product_id = 'a'", ("a", "price", "behind")),
        (
            "UPDATE products SET price_version = replace(price_version, ':', ':9') WHERE product_id = 'a'",
            ("a", "price", "ahead"),
        ),
        ("UPDATE products SET last_updated = 'infinity' WHERE product_id = 'a'", LAST_UPDATED),
        ("UPDATE products SET last_updated = '-infinity' WHERE product_id = 'a'", LAST_UPDATED),
        ("UPDATE products SET last_updated = '0044-03-15 BC' WHERE product_id = 'a'", LAST_UPDATED),
        (
            "INSERT INTO products (product_id, inventory, last_updated) VALUES ('x', 1, now())",
            ("x", "inventory", "other_value"),
        ),
        (
            "UPDATE products SET last_updated = last_updated + interval '1 ms' WHERE product_id = 'a'",
            ("a", "last_updated", "last_updated"),
        ),
    ],
)
async def test_each_kind_of_difference(
    services: Services, catalog: Catalog, change: str, found: tuple[str, str, str]
) -> None:
    await process(services, *UPDATES)
    await services.database.execute(change)
    assert found in await differences(catalog)


async def test_a_row_that_no_update_made(services: Services, catalog: Catalog) -> None:
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('x', 0, now())"
    )
    assert await differences(catalog) == [("x", "product_id", "extra_row")]


async def test_an_update_that_was_not_applied_is_named_by_its_line(
    services: Services, catalog: Catalog
) -> None:
    key = await put_object(
        services,
        (record(b"bad", 0), "invalid_json"),
        (record({"product_id": "a", "inventory": 1}, 1), "accepted"),
    )
    assert await explanation(catalog) == (
        f"line 2 of {key} was not applied: the table has no row. Not in quarantine: it is still in flight "
        "(`catalog status`), or was lost (`catalog replay`)"
    )


async def test_an_object_of_another_name_counts_nowhere(services: Services, catalog: Catalog) -> None:
    key = await put_object(services, (record({"product_id": "a", "inventory": 1}, 1), "accepted"))
    s3, bucket = services.account.s3, services.account.archive_bucket
    await s3.copy_object(Bucket=bucket, Key="inventory/copy.ndjson.gz", CopySource=f"{bucket}/{key}")
    await s3.delete_object(Bucket=bucket, Key=key)
    note = "not read: 1 object with a name that the processor does not write: inventory/copy.ndjson.gz\n"
    for command in (("diff",), ("replay",), ("replay", "--yes", "--reason", "test"), ("archive", "verify")):
        result = await catalog(*command)
        assert (result.exit_code, note in result.stderr) == (0, True), command
    assert await services.row("a") is None


async def test_what_is_damaged_in_quarantine_hides_no_record(services: Services, catalog: Catalog) -> None:
    await put_object(services, (record({"product_id": "a", "inventory": 1}, 1), "accepted"))
    damaged = f"quarantine/dt=2026-01-31/{SHARD}/{sequence(0)}-{sequence(2)}-000000000000.ndjson"
    await put_quarantined(services, damaged, b'{\n{"sequence_number": 1}\n')
    assert "Not in quarantine: it is still in flight" in await explanation(catalog)
    refused = Rejection(record({"product_id": "a", "inventory": 1}, 1), Reason.INTERNAL_ERROR, "m")
    # A batch is filed under the day of its first record.
    earlier = damaged.replace("01-31", "01-25")
    await put_quarantined(services, earlier, quarantine_line(refused))
    assert f"It was in quarantine (internal_error, {earlier})" in await explanation(catalog)


async def test_a_row_newer_than_the_archive(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    await services.database.execute(
        "UPDATE products SET inventory_version = replace(inventory_version, $1, $2)",
        str(ARRIVAL_MS),
        str(ARRIVAL_MS + 1000),
    )
    assert await explanation(catalog) == (
        "the row's update arrived at 2026-01-31T08:30:01.123Z, after the archive's end "
        "(2026-01-31T08:30:00.123Z): its line is still in flight, or missing"
    )


async def test_a_line_that_is_missing(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    await services.database.execute(
        "UPDATE products SET inventory_version = replace(inventory_version, $1, $2)", sequence(0), sequence(1)
    )
    assert (await explanation(catalog)).startswith("no line of the archive wrote the row's version")


async def test_only_a_time_or_a_product(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES)
    await services.database.execute("UPDATE products SET inventory = 7, price = 1")
    assert await differences(catalog, "--product", "b") == [
        ("b", "inventory", "other_value"),
        ("b", "price", "other_value"),
    ]
    await services.database.execute("UPDATE products SET inventory = 0, price = NULL WHERE product_id = 'b'")
    # Nothing arrived then, so nothing is known of what these rows hold.
    assert await differences(catalog, "--from", "2026-02-01") == []


async def test_a_product_that_nobody_knows_is_no_all_clear(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES)
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('row', 0, now())"
    )
    result = await catalog("diff", "--product", "a", "--product", "nosuch")
    assert (result.exit_code, result.stderr) == (1, "no update and no row of nosuch\n")
    assert (await catalog("diff", "--product", "row")).stderr == ""
    assert (await catalog("diff", "--product", "")).exit_code == 2


async def test_the_screen(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES)
    await services.database.execute("UPDATE products SET inventory = 7 WHERE product_id = 'a'")
    result = await catalog("diff")
    assert result.stdout.splitlines()[:2] == [
        "1 object, 2 lines: 2 updates, 0 rejected records, 0 outside of the selection",
        "2 products: 1 difference (1 other_value)",
    ]
    assert result.stdout.splitlines()[2] == "a inventory: other_value: archive 1, table 7"
    explained = result.stdout.splitlines()[3]
    assert explained.startswith("  line 1 of inventory/dt=2026-01-31/")
    assert explained.endswith(" wrote this version; its record says 1: the row was changed by hand")


async def test_prices_are_not_in_cents(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES)
    await services.database.execute("UPDATE products SET price = 67.78 WHERE product_id = 'a'")
    result = await catalog("diff")
    assert "a price: other_value: archive 2.50, table 67.78\n" in result.stdout
    (one,) = json.loads((await catalog("diff", "--json")).stdout)["shown"]
    assert (one["archive"]["value"], one["table"]["value"]) == ("2.50", "67.78")


async def test_a_line_from_the_end_of_time_is_explained(services: Services, catalog: Catalog) -> None:
    late = record({"product_id": "a", "inventory": 1}, arrival_ms=253_402_300_799_999)
    await put_object(services, (late, "accepted"))
    result = await catalog("diff", "--json")
    assert (result.exit_code, json.loads(result.stdout)["kinds"]) == (1, {"missing_row": 1})


async def test_what_is_not_there_is_called_so(services: Services, catalog: Catalog) -> None:
    await process(services, *UPDATES)
    await services.database.execute("UPDATE products SET price = NULL, price_version = NULL")
    await services.database.execute("DELETE FROM products WHERE product_id = 'b'")
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('x', 0, now())"
    )
    shown = [line for line in (await catalog("diff")).stdout.splitlines() if line[:2] in ("a ", "b ", "x ")]
    assert shown == [
        "a price: behind: archive 2.50, table no value",
        "b discontinued: missing_row: archive true, table no row",
        "x product_id: extra_row: archive no value, table x",
    ]


async def test_the_version_of_another_product(services: Services, catalog: Catalog) -> None:
    await process(services, {"product_id": "a", "inventory": 1})
    await services.database.execute("UPDATE products SET product_id = 'x'")
    result = await catalog("diff", "--product", "x")
    assert result.stdout.splitlines()[-1].endswith(
        " wrote it, but its record is of product 'a': the row was changed by hand"
    )


@pytest.mark.parametrize(
    ("record", "repair"),
    [
        ({"product_id": "a", "price": 1.999}, ("fix", "--rule", "price: round to 2 decimals")),
        ({"product_id": "a", "price": 666}, ("redrive",)),
    ],
)
async def test_an_update_that_was_repaired_is_not_in_quarantine(
    services: Services, catalog: Catalog, record: dict[str, object], repair: tuple[str, ...]
) -> None:
    await services.database.execute("ALTER TABLE products ADD CONSTRAINT odd CHECK (price <> 666)")
    await process(services, record)
    await services.database.execute("ALTER TABLE products DROP CONSTRAINT odd")
    assert (await catalog("quarantine", *repair, "--yes", "--reason", "a test")).exit_code == 0
    await services.database.execute("UPDATE products SET price = NULL, price_version = NULL")
    told = (await explanation(catalog)).partition("It was in quarantine (")[2]
    words = {"fix": "), and was fixed on 20", "redrive": "), and was redriven on 20"}
    assert words[repair[0]] in told
    assert told.endswith(
        ": a test. The row was changed by hand, or the update is in flight: "
        "`catalog replay --product` applies it"
    )
