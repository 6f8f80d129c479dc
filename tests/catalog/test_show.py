"""`catalog show`: the row, the archive line that wrote each field, and the cached copy."""

import asyncio
import json
from datetime import date
from typing import Any

import pytest

from processor.product import cached_product
from tests.catalog.conftest import Catalog
from tests.support.events import ARRIVAL_MS, SHARD, kinesis_event, kinesis_record, sequence
from tests.support.real_servers import Services, environment_variables, objects

FULL = '{"product_id": "a", "inventory": 7, "price": 1.5, "supplier": "acme"}'


async def archived_key(services: Services) -> str:
    """Return the key of the only object of the archive."""
    ((key, _),) = await objects(services.account, services.account.archive_bucket)
    return key


async def cache(services: Services, **members: Any) -> None:
    """Cache a copy of the product `a`, as a reader would but for these members."""
    value = {
        "product_id": "a", "inventory": 7, "price": "1.50", "discontinued": False,
        "last_updated": "2026-01-31T08:30:00.123000Z",
    } | members  # fmt: skip
    text = json.dumps(value)
    assert cached_product("a", text) is not None
    await services.redis.set("product:a", text, ex=300)


async def test_each_field_leads_to_its_record(services: Services, catalog: Catalog) -> None:
    price = '{"product_id": "a", "price": "2.50", "event_time": "2026-01-31T08:00:00Z"}'
    await services.invoke(
        kinesis_event(
            kinesis_record('{"product_id": "b", "price": 1}', 0),
            kinesis_record('{"product_id": "a", "inventory": 7, "supplier": "acme"}', 1),
            kinesis_record(price, 2),
        )
    )
    key = await archived_key(services)
    result = await catalog("show", "a")
    assert (result.exit_code, result.stdout) == (
        0,
        f"""a, last updated 2026-01-31T08:30:00.123000+00:00

inventory     7
  event time  2026-01-31T08:30:00.123000Z, arrived 2026-01-31T08:30:00.123Z
  supplier    acme
  record      {sequence(1)}, sub-sequence 0, {SHARD}
  archive     {key} line 2
price         2.50
  event time  2026-01-31T08:00:00.000000Z, arrived 2026-01-31T08:30:00.123Z
  supplier    –
  record      {sequence(2)}, sub-sequence 0, {SHARD}
  archive     {key} line 3
discontinued  false  (never sent)

cache         not cached
""",
    )


async def test_as_json(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    document = json.loads((await catalog("show", "a", "--json")).stdout)
    inventory, price, discontinued = document.pop("fields")
    assert document == {
        "product_id": "a",
        "last_updated": "2026-01-31T08:30:00.123000+00:00",
        "fault": None,
        "cache": {
            "state": "not cached", "copy": None, "expires_in_seconds": None, "is_leased": False, "fault": None
        },
        "is_pending": False,
        "is_searched": True,
        "read_from": None,
    }  # fmt: skip
    assert inventory == {
        "name": "inventory",
        "value": 7,
        "version": f"2026-01-31T08:30:00.123000Z 056:{sequence(0)} 0000000 {SHARD} {ARRIVAL_MS}",
        "event_time": "2026-01-31T08:30:00.123000Z",
        "arrived": "2026-01-31T08:30:00.123Z",
        "supplier": "acme",
        "shard": SHARD,
        "sequence_number": sequence(0),
        "sub_sequence": 0,
        "object": await archived_key(services),
        "line": 1,
        "repair": None,
        "fault": None,
    }
    assert price == inventory | {"name": "price", "value": "1.50"}
    assert (discontinued["value"], discontinued["version"], discontinued["line"]) == (False, None, None)


@pytest.mark.parametrize("product_id", ["nobody", "x" * 256, "a\0b", "\udcff"])
async def test_a_product_that_is_not_there(catalog: Catalog, product_id: str) -> None:
    result = await catalog("show", product_id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("the catalog has no product '")


@pytest.mark.parametrize("command", [("show", ""), ("explain", ""), ("quarantine", "list", "--product", "")])
async def test_an_empty_id_is_refused(catalog: Catalog, command: tuple[str, ...]) -> None:
    result = await catalog(*command)
    assert (result.exit_code, result.stderr) == (2, "error: the product's id is empty\n")


async def test_reading_as_the_shop_fills_the_cache(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    for source in ("database", "cache"):
        result = await catalog("show", "a", "--as-shop")
        assert f"read as the shop: from the {source}" in result.stdout
        assert "cache         cached, equal to the row, expires in " in result.stdout
        assert result.exit_code == 0


async def test_a_cached_copy_that_is_not_the_row_is_a_finding(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    await cache(services, inventory=8)
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a')")
    result = await catalog("show", "a")
    assert result.exit_code == 1
    assert result.stdout.partition("\n\ncache         ")[2] == (
        "cached, not equal to the row, expires in 300 s: the shop may see it\n"
        '  {"product_id": "a", "inventory": 8, "price": "1.50", "discontinued": false, "last_updated": '
        '"2026-01-31T08:30:00.123000Z"}\n'
        "  its invalidation is pending: the next batch or drain deletes this copy\n"
    )


async def test_what_is_no_product_in_the_cache(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    await services.redis.set("product:a", "\x1b[31m" + "[red]" * 100_000, ex=300)
    result = await catalog("show", "a")
    assert "not a product, expires in 300 s: readers miss\n  \\x1b[31m[red][red]" in result.stdout
    assert (result.exit_code, "\x1b" in result.stdout, len(result.stdout) < 1_000) == (1, False, True)
    await services.redis.delete("product:a")
    await services.redis.rpush("product:a", "x")
    result = await catalog("show", "a")
    assert (result.exit_code, "not a product: WRONGTYPE" in result.stdout) == (1, True)


async def test_a_copy_that_never_expires_is_a_finding(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    await cache(services)
    assert (await catalog("show", "a")).exit_code == 0
    await services.redis.persist("product:a")
    await services.redis.set("lease:a", "token")
    result = await catalog("show", "a")
    assert result.exit_code == 1
    assert "cached, equal to the row, a reader is about to store it: it never expires" in result.stdout


async def test_a_line_in_the_object_of_an_earlier_day(services: Services, catalog: Catalog) -> None:
    day_before = kinesis_record(
        '{"product_id": "b", "price": 1}', 0, arrival_seconds=ARRIVAL_MS / 1000 - 86_400
    )
    await services.invoke(kinesis_event(day_before, kinesis_record(FULL, 1)))
    key = await archived_key(services)
    assert f"dt={date(2026, 1, 30)}/" in key
    assert f"{key} line 2" in (await catalog("show", "a")).stdout


async def test_damaged_objects_and_missing_lines_are_findings(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    account, key = services.account, await archived_key(services)
    await account.s3.put_object(Bucket=account.archive_bucket, Key=key, Body=b"no gzip")
    damaged = await catalog("show", "a")
    assert damaged.stderr.startswith(f"damaged: {key}: it cannot be unpacked: Not a gzipped file")
    assert damaged.stderr.count("damaged: ") == 1
    await account.s3.delete_object(Bucket=account.archive_bucket, Key=key)
    missing = await catalog("show", "a")
    assert missing.stderr == ""
    for result in (damaged, missing):
        assert (result.exit_code, "the archive has no line of this record" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    "version", ["", "by hand", "2026-01-31T08:30:00.123000Z 001:1 0000000 s 999999999999999"]
)
async def test_a_version_of_somebody_else_is_a_finding(
    services: Services, catalog: Catalog, version: str
) -> None:
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, inventory_version, last_updated)"
        " VALUES ('a', 1, $1, now())",
        version,
    )
    result = await catalog("show", "a")
    assert result.exit_code == 1
    assert f"version     {version}: not a version that the pipeline writes" in result.stdout


async def test_what_suppliers_write_cannot_control_the_terminal(services: Services, catalog: Catalog) -> None:
    update = {"product_id": "a", "inventory": 7, "supplier": "\x1b[31m\u202e[bold]\x9b"}
    await services.invoke(kinesis_event(kinesis_record(update)))
    assert "supplier    \\x1b[31m\\u202e[bold]\\x9b\n" in (await catalog("show", "a")).stdout
    assert "\x9b" not in (await catalog("show", "a", "--json")).stdout


async def test_no_proxy_leads_to_this_machine(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    with environment_variables({"http_proxy": "http://127.0.0.1:9"}):
        assert (await catalog("show", "a")).exit_code == 0


async def test_an_arn_has_no_pictures(services: Services, catalog: Catalog) -> None:
    update = {"product_id": ":smile:", "inventory": 7, "supplier": ":secret:"}
    await services.invoke(kinesis_event(kinesis_record(update)))
    text = (await catalog("show", ":smile:")).stdout
    assert ":smile:, last updated" in text
    assert "supplier    :secret:" in text
    assert "nothing was received of ':beer:'" in (await catalog("explain", ":beer:")).stderr


BY_HAND = "the row was changed by hand"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            "(inventory, inventory_version) = (SELECT inventory, inventory_version FROM products"
            " WHERE product_id = 'b')",
            f"its record is of product 'b': {BY_HAND}",
        ),
        ("price = 2", f"its record says 1.50: {BY_HAND}"),
        ("price = 'NaN'", f"its record says 1.50: {BY_HAND}"),
        ("price_version = replace(price_version, '2026-01-31', '2026-01-30')", "did not write this version"),
        ("price = NULL, price_version = NULL", "line 1), the row has none: it was changed by hand, or the"),
        (
            "discontinued = true",
            f"no update wrote it, and it is not what it is until one does: {BY_HAND}",
        ),
        (
            "last_updated = now()",
            f"last_updated is not the newest event time of the row's versions: {BY_HAND}",
        ),
        ("last_updated = 'infinity'", "last_updated is not the newest event time of the row's versions"),
    ],
)
async def test_a_row_changed_by_hand_is_a_finding(
    services: Services, catalog: Catalog, change: str, finding: str
) -> None:
    b = '{"product_id": "b", "inventory": 7, "price": 2.5, "discontinued": true}'
    await services.invoke(kinesis_event(kinesis_record(FULL), kinesis_record(b, 1)))
    assert (await catalog("show", "a")).exit_code == 0
    await services.database.execute(f"UPDATE products SET {change} WHERE product_id = 'a'")  # noqa: S608
    result = await catalog("show", "a")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, "  finding     " in result.stdout) == (1, True)
    assert finding in result.stdout
    assert "NULL" not in change or "never sent" not in result.stdout.partition("price")[2].partition("\n")[0]


async def test_a_large_archive_is_not_looked_through(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    account = services.account
    await asyncio.gather(
        *(
            account.s3.put_object(
                Bucket=account.archive_bucket,
                Key=f"inventory/dt=2026-01-01/{SHARD}/{number}-{number}-000000000000.ndjson.gz",
            )
            for number in range(1_000)
        )
    )
    result = await catalog("show", "a")
    assert result.exit_code == 0
    assert "discontinued  false  (set by no update; `catalog diff --product` looks for one)" in result.stdout
