"""`catalog archive sql` on DuckDB: what the processor wrote, exact, whatever records hold."""

import asyncio
import csv
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.archive.results import ask_duckdb
from catalog.archive.spill import open_spill
from processor.product import REGISTERS
from processor.s3_objects import archive_line
from tests.catalog.conftest import Catalog, lines_of
from tests.support.archives import archive, archive_lines, put
from tests.support.events import ARRIVAL_MS, SHARD, kinesis_event, kinesis_record, record, sequence
from tests.support.real_servers import ALL_DONE, Services

DAY_MS = 24 * 60 * 60 * 1000


async def ask(catalog: Catalog, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    result = await catalog("archive", "sql", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


async def test_rows_are_the_tables(catalog: Catalog, services: Services) -> None:
    """The newest update of each product has the values and the version of its row."""
    updates: list[Any] = [
        {"product_id": "p1", "inventory": 2147483647, "price": "99999999.99", "discontinued": True},
        '{"product_id": "p2", "price": 0.1, "event_time": "2026-01-31T09:29:59.1234567+01:00"}',
        '{"product_id":"p3",\n"inventory":1.2e1,"price":1e2,"note":1e999}',
        '{"product_id":"größe 1","price":29.90,"supplier":"a\\ud800","nested":{"price":1,"data":{}}}',
    ]
    event = kinesis_event(*(kinesis_record(each, place) for place, each in enumerate(updates)))
    assert await services.invoke(event) == ALL_DONE
    rows = await ask(catalog, "SELECT * FROM archive ORDER BY sub_sequence, sequence_number")
    assert [row["price"] for row in rows] == ["99999999.99", "0.10", "100.00", "29.90"]
    assert [row["inventory"] for row in rows] == [2147483647, None, 12, None]
    assert rows[1]["event_time"] == "2026-01-31T08:29:59.123456Z"
    assert [row["supplier"] for row in rows] == [None, None, None, "a\\ud800"]
    for row in rows:
        stored = await services.row(row["product_id"])
        assert stored is not None
        for name in REGISTERS:
            if row[name] is not None:
                assert str(stored[name]) == str(row[name])
                assert stored[f"{name}_version"] == row["version"]
    assert rows[2]["data"] == updates[2]
    assert [row["line"] for row in rows] == [1, 2, 3, 4]


async def test_rejected_records_have_no_values(catalog: Catalog, services: Services) -> None:
    await archive(
        services, [record({"product_id": "p", "inventory": 1, "supplier": "acme"})], "internal_error"
    )
    (row,) = await ask(catalog, "SELECT * FROM archive")
    assert (row["product_id"], row["inventory"], row["version"], row["event_time"]) == (
        None,
        None,
        None,
        None,
    )
    assert (row["verdict"], row["supplier"], row["partition_key"]) == (
        "internal_error",
        "acme",
        "partition-key",
    )


async def test_no_line_stops_a_query(catalog: Catalog, services: Services) -> None:
    good = archive_line(record({"product_id": "p", "inventory": 1}), "accepted")
    hostile = archive_line(record(b"\x00\xff\x1b[31m\"',;\\"), "invalid_utf8")
    lines = [b"{", b"\xff\x00", good, b"", hostile, b'{"shard":"' + b"x" * 70_000, b"[1,2", good[:-1]]
    key = await archive_lines(services, [record({"product_id": "p", "inventory": 1})], lines)
    result = await catalog(
        "archive", "sql", "--json", "SELECT line, verdict, data FROM archive ORDER BY line"
    )
    assert result.stderr == "1 objects are damaged: `catalog archive verify` says where\n"
    again = await catalog("archive", "sql", "--json", "SELECT count(*) FROM archive")
    assert again.stderr == result.stderr  # from what is kept on this machine
    rows = json.loads(result.stdout)
    assert [row["verdict"] for row in rows] == [
        None,
        None,
        "accepted",
        None,
        "invalid_utf8",
        None,
        None,
        None,
    ]
    assert rows[4]["data"] == "\x00\\xff\x1b[31m\"',;\\"
    body = await (await services.account.s3.get_object(Bucket=services.account.archive_bucket, Key=key))[
        "Body"
    ].read()
    await put(services, key, body[: len(body) // 2])
    assert (await ask(catalog, "SELECT count(*) AS n FROM archive"))[0]["n"] < len(lines)


async def test_nothing_raw_reaches_the_screen(catalog: Catalog, services: Services) -> None:
    await archive(services, [record("\x1b[31m[bold]red[/bold] \u202e\x9b")], "invalid_json")
    result = await catalog("archive", "sql", "SELECT data FROM archive")
    assert lines_of(result.stdout) == [
        "data",
        "───────────────────────────────────",
        r"\x1b[31m[bold]red[/bold] \u202e\x9b",
    ]


async def test_a_table_that_is_too_wide_becomes_blocks(catalog: Catalog, services: Services) -> None:
    await archive(services, [record({"product_id": "p1", "inventory": 1})])
    result = await catalog("archive", "sql", "SELECT shard, sequence_number, version, inventory FROM archive")
    assert (
        result.stdout
        == f"""\
          shard  {SHARD}
sequence_number  {sequence(0)}
        version  2026-01-31T08:30:00.123000Z 056:{sequence(0)} 0000000 {SHARD} {ARRIVAL_MS}
      inventory  1

"""
    )


async def test_csv_and_an_empty_archive(catalog: Catalog, services: Services) -> None:
    assert await ask(catalog, "SELECT * FROM archive") == []
    await archive(services, [record({"product_id": 'a,"b"', "price": 1.5})])
    result = await catalog("archive", "sql", "--csv", "SELECT product_id, price, inventory FROM archive")
    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["product_id", "price", "inventory"],
        ['a,"b"', "1.50", ""],
    ]


async def test_a_parameter_is_bound(catalog: Catalog, services: Services) -> None:
    hostile = "x' OR '1'='1"
    await archive(
        services,
        [record({"product_id": each, "inventory": 1}, place) for place, each in enumerate(["p", hostile])],
    )
    sql = "SELECT product_id FROM archive WHERE product_id = $product -- $comment\n AND 'a $b' = 'a $b'"
    assert await ask(catalog, sql, "--set", f"product={hostile}") == [{"product_id": hostile}]
    assert len(await ask(catalog, "--named", "product_history", "--set", "product=p")) == 1


async def test_objects_are_read_once(catalog: Catalog, services: Services, tmp_path: Path) -> None:
    """New ones are added; what was changed or is gone is not shown any more."""
    keys = [
        await archive(services, [record({"product_id": "p", "inventory": each}, each)]) for each in range(3)
    ]
    count = "SELECT count(*) AS n FROM archive"
    assert await ask(catalog, count) == [{"n": 3}]
    files = list((tmp_path / "cache").rglob("*.parquet"))
    assert len(files) == 1
    assert await ask(catalog, count, "--max-gb", "0") == [{"n": 3}]
    await archive(services, [record({"product_id": "p", "inventory": 3}, 3)])
    assert await ask(catalog, count) == [{"n": 4}]
    assert len(list((tmp_path / "cache").rglob("*.parquet"))) == 2
    await services.account.s3.delete_object(Bucket=services.account.archive_bucket, Key=keys[0])
    assert await ask(catalog, count) == [{"n": 3}]
    for file in (tmp_path / "cache").rglob("*.parquet"):
        os.utime(file, (0, 0))
    assert await ask(catalog, count) == [{"n": 3}]
    assert not files[0].exists()


async def test_days_and_shard(catalog: Catalog, services: Services) -> None:
    for position, (day, shard) in enumerate([(0, SHARD), (1, SHARD), (0, "shardId-000000000001")]):
        late = ARRIVAL_MS + day * DAY_MS
        await archive(
            services, [record({"product_id": "p", "inventory": 1}, position, shard=shard, arrival_ms=late)]
        )
    days = ("--from", "2026-01-31", "--to", "2026-01-31")
    assert len(await ask(catalog, "FROM archive", *days)) == 2
    assert len(await ask(catalog, "FROM archive", *days, "--shard", SHARD)) == 1


ONE_QUERY = "one query is accepted, such as SELECT: the archive is only read"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELECT 1", "--named", "rejections"], "one of QUERY, --file and --named is accepted"),
        (
            ["--named", "x"],
            "no query 'x'; there are catalog_as_of, late_arrivals, product_history, rejections, ",
        ),
        (["--named", "product_history"], "the query needs --set product=…"),
        (["--named", "rejections", "--set", "a=b"], "the query has no parameter 'a'; it has none"),
        (["SELECT 1", "--set", "a"], "--set is 'a'; such as product=p1 is accepted"),
        (["SELECT x FROM archive"], 'DuckDB: Binder Error: Referenced column "x" not found'),
        (["SELEC 1"], "DuckDB: Parser Error"),
        (["SELECT * FROM read_text('/etc/passwd')"], "DuckDB: Permission Error"),
        (["SET memory_limit='90GB'"], ONE_QUERY),
        (["DROP VIEW archive"], ONE_QUERY),
        (["SELECT 1; DROP VIEW archive"], ONE_QUERY),
        (["COPY archive TO 'x.csv'"], ONE_QUERY),
        (["/* nothing */"], ONE_QUERY),
        (["-"], "the query is empty"),
        (["--file", "/nowhere.sql"], "--file /nowhere.sql cannot be read"),
        (["SELECT 1", "--csv", "--json"], "one of --json and --csv is accepted"),
        (["SELECT 1", "--athena"], "environment 'local' has no Athena workgroup: leave --athena out"),
    ],
)
async def test_what_is_not_accepted(catalog: Catalog, arguments: list[str], message: str) -> None:
    result = await catalog("archive", "sql", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")


async def test_a_query_is_interrupted() -> None:
    """A cancelled query ends at once, and its database can be closed."""
    with open_spill() as spill:
        asking = asyncio.ensure_future(
            ask_duckdb(spill, "SELECT max(hash(range)) FROM range(200000000000)", {})
        )
        _, running = await asyncio.wait([asking], timeout=0.2)
        assert running
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asking, 10)


async def test_too_much_to_read(catalog: Catalog, services: Services) -> None:
    await archive(services, [record({"product_id": "p", "inventory": 1})])
    result = await catalog("archive", "sql", "FROM archive", "--max-gb", "0")
    assert result.exit_code == 2
    assert "--max-gb is 0: choose days with --from and --to, raise --max-gb, or ask Athena" in result.stderr


async def test_the_named_queries(catalog: Catalog, services: Services) -> None:
    """Each is run on what the processor wrote."""
    event = kinesis_event(
        kinesis_record({"product_id": "p1", "inventory": 5, "price": 1.25, "supplier": "acme"}, 0),
        kinesis_record({"product_id": "p1", "inventory": 9, "event_time": "2026-01-31T05:00:00Z"}, 1),
        kinesis_record({"product_id": "p2", "discontinued": True}, 2),
        kinesis_record({"product_id": "p2", "inventory": -1, "supplier": "acme"}, 3),
        kinesis_record("{", 4),
    )
    assert await services.invoke(event) == ALL_DONE
    await archive(services, [record({"product_id": "p2", "discontinued": True}, 2)])
    history = await ask(catalog, "--named", "product_history", "--set", "product=p1")
    assert [(row["inventory"], row["price"], row["supplier"], row["line"]) for row in history] == [
        (9, None, None, 2),
        (5, "1.25", "acme", 1),
    ]
    rejections = await ask(catalog, "--named", "rejections")
    assert [tuple(row.values())[:3] for row in rejections] == [
        ("?", "invalid_json", 1),
        ("acme", "invalid_inventory", 1),
    ]
    assert await ask(catalog, "--named", "updates_per_day") == [
        {"day": "2026-01-31", "lines": 6, "records": 5, "accepted": 3, "products": 2, "suppliers": 1}
    ]
    (late,) = await ask(catalog, "--named", "late_arrivals")
    assert (late["supplier"], late["updates"], late["most_seconds"]) == ("?", 1, 12_600)
    assert await ask(catalog, "--named", "late_arrivals", "--set", "seconds=20000") == []
    now = await ask(catalog, "--named", "catalog_as_of", "--set", "at=2026-02-01T00:00:00Z")
    assert [tuple(row.values())[:4] for row in now] == [("p1", 5, "1.25", False), ("p2", 0, None, True)]
    assert await ask(catalog, "--named", "catalog_as_of", "--set", "at=2026-01-30T00:00:00Z") == []
    assert len(await ask(catalog, "--named", "catalog_as_of", "--set", "at=20s")) == 2
    result = await catalog("archive", "sql", "--named", "catalog_as_of", "--set", "at=soon")
    assert (result.exit_code, result.stderr.startswith("error: --set at is 'soon'; accepted, in UTC")) == (
        2,
        True,
    )


async def test_an_age_without_an_end_is_until_now(catalog: Catalog, services: Services) -> None:
    await archive(services, [record({"product_id": "a", "inventory": 1}, arrival_ms=int(time.time() * 1000))])
    await archive(services, [record({"product_id": "a", "inventory": 1}, 1)])
    result = await catalog("archive", "sql", "--from", "1h", "SELECT product_id FROM archive")
    assert (lines_of(result.stdout)[-1], result.stderr) == ("a", "1 row\n")


async def test_the_list_of_named_queries(catalog: Catalog) -> None:
    result = await catalog("archive", "sql", "--json")
    assert [query["name"] for query in json.loads(result.stdout)] == [
        "catalog_as_of",
        "late_arrivals",
        "product_history",
        "rejections",
        "updates_per_day",
    ]
    assert "product: the product's id" in (await catalog("archive", "sql")).stdout
