"""What `explain` and `show` say of records that an operator fixed, and of rows that somebody changed."""

import json
import re
from typing import Any

from processor.reasons import Reason
from processor.updates import Rejection
from tests.catalog.conftest import Catalog, lines_of
from tests.catalog.test_quarantine_repair import ROUND, id_of, put_rejections
from tests.catalog.test_show import FULL
from tests.support.events import aggregate, kinesis_event, kinesis_record, record
from tests.support.failed_batches import put_failed_batch
from tests.support.real_servers import Services

YES = ("--yes", "--reason", "agreed with acme")
THEN = "2026-01-31T09:00:00Z"
BAD = {"product_id": "a", "price": 1.999, "supplier": "acme"}


async def explained(catalog: Catalog, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((await catalog("explain", "a", "--json", *arguments)).stdout)
    return document


async def test_a_fix_counts_from_when_it_was_made(services: Services, catalog: Catalog) -> None:
    good = {"product_id": "a", "price": 3, "event_time": "2026-01-31T08:00:00Z"}
    await services.invoke(kinesis_event(kinesis_record(good, 0), kinesis_record(BAD, 1)))
    await catalog("quarantine", "fix", *ROUND, *YES)
    now = await explained(catalog)
    (first, rejected, fix) = now["updates"]
    assert (now["state"]["price"], now["differences"]) == ({"value": "2.00", "number": 3}, [])
    assert (first["outcomes"]["price"], first["repair"]) == ({"state": "replaced", "by": 3}, None)
    assert (rejected["reason"], rejected["became"], fix["reason"]) == ("invalid_price", [3], None)
    assert fix["repair"]["is_fix"] is True
    assert (fix["repair"]["reason"], fix["repair"]["by"][:8]) == ("agreed with acme", "arn:aws:")
    then = await explained(catalog, "--at", THEN)
    assert then["state"]["price"] == {"value": "3.00", "number": 1}
    assert [(one["reason"], one["became"]) for one in then["updates"]] == [(None, []), ("invalid_price", [])]
    screen = (await catalog("explain", "a")).stdout
    assert "fixed as 3" in screen
    assert "fixed on 2" in screen


async def test_a_fix_that_arrived_before_what_is_newer(services: Services, catalog: Catalog) -> None:
    newer = {"product_id": "a", "price": 3}
    await services.invoke(kinesis_event(kinesis_record(BAD, 0), kinesis_record(newer, 1)))
    await catalog("quarantine", "fix", *ROUND, *YES)
    found = (await explained(catalog))["updates"]
    assert [one["outcomes"] for one in found] == [
        {},
        {"price": {"state": "older", "by": 3}},
        {"price": {"state": "current", "by": None}},
    ]


async def test_a_fix_of_the_product_id_is_one_too(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record({"product_id": " a", "price": 2}, 0)))
    for yes in ((), YES):
        result = await catalog("quarantine", "fix", "--rule", "product_id: trim", *yes)
        note = f"note: {id_of(0)} becomes an update of another product: ' a' → 'a'\n"
        assert (result.exit_code, result.stderr.startswith(note), result.stderr.count("note")) == (0, True, 1)
    (fix,) = (await explained(catalog))["updates"]
    assert (fix["repair"]["is_fix"], fix["moved_from"]) == (True, " a")
    assert "sent for product ' a'" in (await catalog("explain", "a")).stdout
    assert (await explained(catalog, "--at", THEN))["updates"] == []
    (rejected,) = json.loads((await catalog("explain", " a", "--json")).stdout)["updates"]
    assert (rejected["reason"], rejected["moved_to"]) == ("invalid_product_id", "a")
    assert "fixed: now product" in (await catalog("explain", " a")).stdout
    (then,) = json.loads((await catalog("explain", " a", "--json", "--at", THEN)).stdout)["updates"]
    assert then["moved_to"] is None


async def test_what_was_sent_again_as_it_was(services: Services, catalog: Catalog) -> None:
    good = record({"product_id": "a", "price": 2}, 0)
    await put_rejections(services, Rejection(good, Reason.INTERNAL_ERROR, "a mistake"))
    await catalog("quarantine", "redrive", *YES)
    (update,) = (await explained(catalog))["updates"]
    assert (update["repair"]["is_fix"], update["repair"]["reason"]) == (False, "agreed with acme")
    assert (await explained(catalog, "--at", THEN))["updates"] == []
    (repaired,) = [line for line in lines_of((await catalog("show", "a")).stdout) if "repaired" in line]
    assert re.fullmatch(r"  repaired    redriven on 2\S+Z by user/moto: agreed with acme", repaired)


async def test_what_the_table_refused_counts_from_its_redrive(services: Services, catalog: Catalog) -> None:
    """Everybody who is asked leaves it out until then, and says so."""
    good = {"product_id": "a", "price": 60, "event_time": "2026-01-31T08:00:00Z"}
    await services.database.execute("ALTER TABLE products ADD CONSTRAINT cheap CHECK (price < 61)")
    refused = {"product_id": "a", "price": 67}
    await services.invoke(kinesis_event(kinesis_record(good, 0), kinesis_record(refused, 1)))
    note = (
        "note: without 1 record that the table refused (`catalog quarantine list --reason catalog_refused`)"
    )
    for command in (
        ("diff",),
        ("replay", "--as-of", "2100-01-01", "--into", "before", *YES),
        ("replay", *YES),
    ):
        result = await catalog(*command)
        assert (result.exit_code, note in result.stderr) == (0, True), command
    await services.database.execute("ALTER TABLE products DROP CONSTRAINT cheap")
    assert (await catalog("replay", *YES)).exit_code == 0
    assert (await explained(catalog))["differences"] == []
    await catalog("quarantine", "redrive", *YES)
    now, then = await explained(catalog), await explained(catalog, "--at", THEN)
    assert [document["state"]["price"]["value"] for document in (now, then)] == ["67.00", "60.00"]
    assert [update["reason"] for update in then["updates"]] == [None, "catalog_refused"]
    assert now["updates"][1]["repair"] | {"at": 0} == {
        "at": 0, "is_fix": False, "by": now["updates"][1]["repair"]["by"], "reason": "agreed with acme"
    }  # fmt: skip
    assert "redriven on 2" in (await catalog("explain", "a")).stdout
    shown = (await catalog("show", "a")).stdout
    assert re.search(r"repaired    redriven on 2\S+Z by user/moto: agreed with acme\n", shown)
    for name, moment in (("then", THEN), ("now", "2100-01-01")):
        result = await catalog("replay", "--as-of", moment, "--into", name, *YES)
        assert result.exit_code == 0
    query = "SELECT price FROM replay.{}"
    prices = [await services.database.fetchval(query.format(name)) for name in ("before", "then", "now")]
    assert list(map(str, prices)) == ["60.00", "60.00", "67.00"]
    assert (await catalog("diff")).stderr == ""


async def test_show_names_the_line_of_the_fix(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(BAD, 0)))
    await catalog("quarantine", "fix", *ROUND, *YES)
    result = await catalog("show", "a")
    assert result.exit_code == 0
    assert "  supplier    acme" in lines_of(result.stdout)
    (repaired,) = [line for line in lines_of(result.stdout) if "repaired" in line]
    assert repaired.startswith("  repaired    fixed on 2")
    assert repaired.endswith(": agreed with acme")
    price = json.loads((await catalog("show", "a", "--json")).stdout)["fields"][1]
    accepted = [line for line in await services.archive_lines() if line["verdict"] == "accepted"]
    assert (price["supplier"], price["repair"]["is_fix"], len(accepted)) == ("acme", True, 1)
    assert price["fault"] is None


async def test_a_value_that_somebody_changed_is_a_finding(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record(FULL)))
    await services.database.execute("UPDATE products SET price = 9")
    result = await catalog("show", "a")
    assert result.exit_code == 1
    assert "  finding     its record says 1.50: the row was changed by hand" in result.stdout
    await services.database.execute(
        "UPDATE products SET price = 1.5, discontinued = true, discontinued_version = price_version"
    )
    result = await catalog("show", "a")
    assert (result.exit_code, result.stdout.count("its record did not write this version")) == (1, 1)


async def test_a_past_state_is_without_what_was_repaired_later(services: Services, catalog: Catalog) -> None:
    good = {"product_id": "a", "price": 3, "event_time": "2026-01-31T08:00:00Z"}
    await services.invoke(kinesis_event(kinesis_record(good, 0), kinesis_record(BAD, 1)))
    packed = aggregate([("k", b'{"product_id": "b", "price": 4}')])
    whole = record(packed, 2, sub_sequence=-1)
    await put_rejections(services, Rejection(whole, Reason.KILLED_PROCESS, "three died"))
    await catalog("quarantine", "fix", *ROUND, *YES)
    await catalog("quarantine", "redrive", *YES)
    event = kinesis_event(kinesis_record({"product_id": "c", "price": 5}, 3))
    await put_failed_batch(services, event, "1")
    await catalog("redrive", *YES)
    then = await catalog("replay", "--as-of", THEN, "--into", "past", *YES)
    assert then.exit_code == 0, then.output
    first = then.stderr.splitlines()[0]
    assert first == "note: without 2 records that operators fixed or redrove after --as-of"
    assert "note: 1 failed batch was redriven after --as-of; their updates count from" in then.stderr
    assert (await catalog("replay", "--as-of", "2100-01-01", "--into", "now", *YES)).exit_code == 0
    prices = "SELECT product_id, price FROM replay.{} ORDER BY 1"
    found = [await services.database.fetch(prices.format(table)) for table in ("past", "now")]
    assert [[(name, str(price)) for name, price in rows] for rows in found] == [
        [("a", "3.00"), ("c", "5.00")],
        [("a", "2.00"), ("b", "4.00"), ("c", "5.00")],
    ]
