"""`catalog explain`: every update of a product, applied or not and why."""

import gzip
import json
from typing import Any

import pytest

from processor.records import Record
from processor.s3_objects import archive_line
from tests.catalog.conftest import Catalog
from tests.support.events import (
    ARRIVAL_MS,
    SHARD,
    aggregate,
    kinesis_event,
    kinesis_record,
    record,
    sequence,
)
from tests.support.real_servers import Services

ARRIVAL = ARRIVAL_MS / 1000
SCREEN = """
    event time, arrived       supplier  update                              outcome
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 1  2026-01-31T08:00:00Z      –         price 9.99                          older than 5
    2026-01-31T08:30:04.123Z
 2  2026-01-31T08:30:00.123Z  acme      inventory 7                         current
    2026-01-31T08:30:00.123Z            price 1.50                          replaced by 5
 3  –                         acme      price has 3 decimals: 19.995; at    rejected: invalid_price
    2026-01-31T08:30:01.123Z            most 2 are accepted
 4  –                         –         the record looks like UTF-16; JSON  rejected: invalid_utf8
    2026-01-31T08:30:02.123Z            in UTF-8 is accepted
 5  2026-01-31T08:30:03.123Z  –         price 2.00                          current
    2026-01-31T08:30:03.123Z            discontinued true                   current

The catalog by these updates: inventory 7 (by 2), price 2.00 (by 5), discontinued true (by 5)
The row is the same.
"""


async def deliver(services: Services, *updates: Any, first: int = 0) -> None:
    """Send updates that arrive one second after the other, as a batch each."""
    for position, update in enumerate(updates, first):
        one = kinesis_record(update, position, arrival_seconds=ARRIVAL + position)
        await services.invoke(kinesis_event(one))


async def put_lines(services: Services, name: str, *lines: bytes, day: str = "2026-01-31") -> str:
    """Write an object of the archive with these lines, and return its key."""
    key = f"inventory/dt={day}/{SHARD}/{name}.ndjson.gz"
    body = gzip.compress(b"".join(line + b"\n" for line in lines))
    await services.account.s3.put_object(Bucket=services.account.archive_bucket, Key=key, Body=body)
    return key


async def explained(catalog: Catalog, *arguments: str) -> dict[str, Any]:
    """Return what `catalog explain --json` prints of the product `a`."""
    document: dict[str, Any] = json.loads((await catalog("explain", "a", "--json", *arguments)).stdout)
    return document


async def test_every_update_in_version_order_and_what_became_of_it(
    services: Services, catalog: Catalog
) -> None:
    await deliver(
        services,
        '{"product_id": "a", "inventory": 7, "price": 1.5, "supplier": "acme"}',
        '{"product_id": "a", "price": 19.995, "supplier": "acme"}',
        '{"product_id": "a", "price": 3}'.encode("utf-16"),
        '{"product_id": "\\u0061", "price": 2, "discontinued": true}',
        '{"product_id": "a", "price": 9.99, "event_time": "2026-01-31T08:00:00Z"}',
        '{"product_id": "b", "name": "a", "price": 5}',
    )
    result = await catalog("explain", "a")
    assert result.exit_code == 0
    assert without_ends(result.stdout).splitlines() == without_ends(SCREEN).splitlines()


def without_ends(text: str) -> str:
    """Return the text without the white space around lines."""
    return "\n".join(line.rstrip() for line in text.strip("\n ").splitlines())


async def test_what_the_catalog_said_then(services: Services, catalog: Catalog) -> None:
    await deliver(
        services,
        '{"product_id": "a", "inventory": 7}',
        '{"product_id": "a", "inventory": 8}',
        '{"product_id": "a", "price": 2, "event_time": "2026-01-31T08:00:00Z"}',
    )
    then = await explained(catalog, "--at", "2026-01-31T09:30:01.123+01:00")
    assert then["state"]["inventory"] == {"value": 8, "number": 2}
    assert (then["state"]["price"], then["at"]) == (None, "2026-01-31T08:30:01.123000+00:00")
    assert [one["outcomes"]["inventory"] for one in then["updates"]] == [
        {"state": "replaced", "by": 2},
        {"state": "newest", "by": None},
    ]
    assert (await explained(catalog, "--at", "2026-01-31"))["state"]["price"]["value"] == "2.00"
    before = await catalog("explain", "a", "--at", "2026-01-31T08:30:00Z")
    assert (before.exit_code, before.stdout) == (1, "")
    assert (
        before.stderr == "nothing was received of 'a' by 2026-01-31T08:30:00Z in 3 objects of the archive\n"
    )


async def test_only_what_arrived_between_two_times(services: Services, catalog: Catalog) -> None:
    await deliver(services, *(f'{{"product_id": "a", "inventory": {number}}}' for number in range(4)))
    bounded = await explained(catalog, "--from", "2026-01-31T08:30:01.123", "--to", "2026-01-31T08:30:02.123")
    assert [one["values"] for one in bounded["updates"]] == [{"inventory": 1}, {"inventory": 2}]
    assert bounded["differences"] is None
    assert [one["number"] for one in (await explained(catalog, "--limit", "1"))["updates"]] == [4]


@pytest.mark.parametrize("option", ["--at", "--from", "--to"])
async def test_a_time_that_is_none_is_refused(catalog: Catalog, option: str) -> None:
    result = await catalog("explain", "a", option, "yesterday")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: {option} is 'yesterday'; accepted, in UTC if without offset: 2026-01-31, "
        "2026-01-31T08:30:00Z, or an age: 90m, 6h, 2d\n",
    )


async def test_a_record_counts_once_and_by_its_data(services: Services, catalog: Catalog) -> None:
    mine = kinesis_record('{"product_id": "a", "inventory": 1}', 0, partition_key="b")
    other = kinesis_record('{"product_id": "b", "inventory": 1}', 1, partition_key="a")
    nearly = kinesis_record('{"product_id": "A", "inventory": -1}', 2, partition_key="a")
    twice = kinesis_record('{"product_id": "a", "product_id": "b", "price": 1}', 3)
    await services.invoke(kinesis_event(mine, other, nearly, twice))
    await services.invoke(kinesis_event(mine, other))
    found = (await explained(catalog))["updates"]
    assert [(one["sequence_number"], one["partition_key"], one["reason"]) for one in found] == [
        (sequence(0), "b", None),
        (sequence(3), "partition-key", "duplicate_key"),
    ]


async def test_an_update_that_the_table_refused(services: Services, catalog: Catalog) -> None:
    await services.database.execute("ALTER TABLE products ADD CHECK (inventory < 100)")
    await deliver(services, '{"product_id": "a", "inventory": 1}', '{"product_id": "a", "inventory": 100}')
    document = await explained(catalog)
    (first, second) = document["updates"]
    assert (first["reason"], second["reason"]) == (None, "catalog_refused")
    assert "products_inventory_check" in second["message"]
    assert (document["state"]["inventory"]["number"], document["differences"]) == (1, [])


async def test_a_row_that_differs_is_a_finding(services: Services, catalog: Catalog) -> None:
    await deliver(services, '{"product_id": "a", "inventory": 1, "price": 2}')
    await services.database.execute("UPDATE products SET price = 3")
    result = await catalog("explain", "a")
    version = f"2026-01-31T08:30:00.123000Z 056:{sequence(0)} 0000000 {SHARD} {ARRIVAL_MS}"
    assert result.exit_code == 1
    assert result.stdout.endswith(f"The row differs: price is 3.00 by {version}; expected 2.00 by 1\n")
    await services.database.execute("DELETE FROM products")
    document = await explained(catalog)
    assert document["differences"] == ["the catalog has no row"]
    assert [one["outcomes"]["price"]["state"] for one in document["updates"]] == ["missing"]
    assert "not in the row" in (await catalog("explain", "a")).stdout


async def test_a_row_of_which_nothing_was_received_is_a_finding(services: Services, catalog: Catalog) -> None:
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
    )
    result = await catalog("explain", "a")
    assert (result.exit_code, result.stderr) == (
        1,
        "nothing was received of 'a' in 0 objects of the archive\n"
        "The row differs: the catalog has a row, and nothing was received that made it\n",
    )


async def test_lines_of_other_releases(services: Services, catalog: Catalog) -> None:
    accepted, rejected = b'{"product_id":"a","inventory":1}', b'{"product_id":"a","inventory":-1}'
    old = archive_line(record(accepted, 0), "accepted").replace(b'"verdict":"accepted",', b"")
    condemned = archive_line(record(accepted, 1), "killed_process")
    stricter = archive_line(record(rejected, 2), "accepted")
    redriven = [archive_line(record(accepted, 3), verdict) for verdict in ("internal_error", "accepted")]
    await put_lines(services, "1-2-aaaaaaaaaaaa", old, condemned, stricter, *redriven)
    found = (await explained(catalog))["updates"]
    assert [(one["reason"], one["message"]) for one in found] == [
        (None, None),
        ("killed_process", "today's rules accept it"),
        (
            "invalid_inventory",
            "accepted when it arrived, but not by today's rules: "
            "inventory is -1; 0 to 2147483647 is accepted",
        ),
        (None, None),
    ]


async def test_damaged_parts_are_told_and_left_out(services: Services, catalog: Catalog) -> None:
    line = archive_line(record('{"product_id":"a","inventory":1}'), "accepted")
    spaced = json.dumps(json.loads(line)).encode()
    lines = [
        b'{"a\\',
        b'["a"]\\',
        spaced + b"\\",
        spaced,
        line.replace(b'"sub_sequence":0', b'"sub_sequence":"a"'),
    ]
    key = await put_lines(services, "1-2-aaaaaaaaaaaa", *lines, b"", line)
    account = services.account
    cut = f"inventory/dt=2026-01-31/{SHARD}/3-4-bbbbbbbbbbbb.ndjson.gz"
    await account.s3.put_object(Bucket=account.archive_bucket, Key=cut, Body=gzip.compress(line)[:-9])
    await account.s3.put_object(Bucket=account.archive_bucket, Key="inventory/dt=2026-01-31/x", Body=b"a")
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('b', 1, now())"
    )
    result = await catalog("explain", "a")
    assert result.exit_code == 1
    assert f"damaged: {key} line 1: it is not JSON: " in result.stderr
    assert f"damaged: {key} line 5: Expected `int`, got `str`" in result.stderr
    assert "damaged: 1 more (`catalog archive verify`)" in result.stderr
    assert "inventory 1" in result.stdout


async def test_a_product_inside_an_aggregate_that_was_kept_whole(
    services: Services, catalog: Catalog
) -> None:
    packed = aggregate([("k", b'{"product_id":"b","price":1}'), ("k", b'{"product_id":"a","price":1}')])
    whole = Record(SHARD, sequence(0), -1, "k", ARRIVAL_MS, packed)
    await put_lines(services, "1-2-aaaaaaaaaaaa", archive_line(whole, "killed_process"))
    (found,) = (await explained(catalog))["updates"]
    assert (found["sub_sequence"], found["reason"]) == (-1, "killed_process")


async def test_nothing_was_received(services: Services, catalog: Catalog) -> None:
    await deliver(services, '{"product_id": "b", "inventory": 1}')
    result = await catalog("explain", "a")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        "nothing was received of 'a' in 1 object of the archive\n",
    )


async def test_a_row_that_could_not_be_read_is_a_finding(services: Services, catalog: Catalog) -> None:
    await deliver(services, '{"product_id": "a", "inventory": 1}')
    await services.database.execute("DROP TABLE products")
    result = await catalog("explain", "a")
    assert (result.exit_code, "inventory 1" in result.stdout) == (1, True)
    assert (" newest" in result.stdout, " current" in result.stdout) == (True, False)
    assert result.stderr.startswith("the row could not be read, so it was not compared: ")


async def test_an_id_that_is_not_written_as_it_is(services: Services, catalog: Catalog) -> None:
    escaped = '{"product_id": "product\\u0031", "price": 2}'
    await deliver(services, escaped, '{"product_id": "product1", "price": 3}'.encode("utf-16"))
    document = json.loads((await catalog("explain", "product1", "--json")).stdout)
    assert [one["reason"] for one in document["updates"]] == [None, "invalid_utf8"]
