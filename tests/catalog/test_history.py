"""`catalog history` shows what was changed, by whom and why."""

import json
from datetime import UTC, datetime
from pathlib import Path

from catalog.connections import connect
from catalog.operations import chosen_by, recorded
from catalog.repair.failed_batches import Selection
from catalog.times import Period
from processor.reasons import Reason
from processor.updates import Rejection
from tests.catalog.conftest import Catalog
from tests.catalog.test_quarantine_repair import put_rejections
from tests.support.events import record
from tests.support.failed_batches import put_failed_batch, put_object, update_event
from tests.support.real_servers import Services, environment_variables


async def test_no_change_was_made(catalog: Catalog) -> None:
    result = await catalog("history", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


async def test_what_is_no_operation_is_named_and_nothing_is_obeyed(
    services: Services, catalog: Catalog
) -> None:
    good = {
        "id": "1", "command": "replay", "by": "arn:me", "reason": "[/] \x1b[31m",
        "begun_at": "2026-01-31T08:30:00.000+00:00", "added_later": 1,
    }  # fmt: skip
    documents = [good, {"id": "2"}, [], good | {"begun_at": 5}, good | {"changes": []}]
    bodies = [json.dumps(document).encode() for document in documents] + [b"text", b"\xff"]
    for number, body in enumerate(bodies):
        await put_object(services, f"operations/2026-01-31/{number}.json", body)
    result = await catalog("history")
    assert (result.exit_code, "[/] \\x1b[31m" in result.stdout, "\x1b" in result.output) == (0, True, False)
    assert result.stderr.splitlines() == [
        f"damaged: operations/2026-01-31/{number}.json" for number in range(6, 0, -1)
    ]
    (operation,) = json.loads((await catalog("history", "--json")).stdout)
    assert operation["id"] == "1"


async def test_what_was_chosen_is_written_before_anything_is_done(
    services: Services, catalog: Catalog, tmp_path: Path
) -> None:
    selection = Selection(period=Period(since=datetime(2026, 1, 31, tzinfo=UTC)), conditions=frozenset("ba"))
    with environment_variables({"CATALOG_KEPT_RUN": str(tmp_path / "kept-run.json")}):
        async with connect(None) as connections:
            chosen = chosen_by(selection)
            async with recorded(connections, "redrive", reason="why", arguments=chosen):
                (begun,) = json.loads((await catalog("history", "--json")).stdout)
    assert begun["state"] == "begun"
    assert begun["changes"]["arguments"] == {
        "period": {"since": "2026-01-31 00:00:00+00:00"},
        "conditions": ["a", "b"],
    }


async def test_no_operation_is_said(catalog: Catalog) -> None:
    result = await catalog("history")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no operations yet\n")


async def test_only_those_since_a_time(services: Services, catalog: Catalog) -> None:
    for hour in (8, 9):
        id_ = f"20260131T{hour:02}3000000000-1"
        begun = {"id": id_, "command": "c", "by": "me", "reason": "", "begun_at": f"2026-01-31T{hour:02}:30"}
        await put_object(services, f"operations/2026-01-31/{id_}.json", json.dumps(begun).encode())
    for since, count in (("2026-01-31", 2), ("2026-01-31T08:30:00", 2), ("2026-01-31T08:31", 1), ("1h", 0)):
        result = await catalog("history", "--json", "--since", since)
        assert (result.exit_code, len(json.loads(result.stdout))) == (0, count), since
    assert result.stderr == "no operations since 1h\n"


async def test_a_run_that_did_nothing_has_failed(services: Services, catalog: Catalog) -> None:
    await services.database.execute("ALTER TABLE products RENAME COLUMN price TO cost")
    good = record({"product_id": "a", "inventory": 4}, 0)
    await put_rejections(services, Rejection(good, Reason.INTERNAL_ERROR, "m"))
    await put_failed_batch(services, update_event(1), "one")
    for command in (("quarantine", "redrive"), ("redrive",)):
        assert (await catalog(*command, "--yes", "--reason", "test")).exit_code == 1
    entries = json.loads((await catalog("history", "--json")).stdout)
    assert [entry["state"] for entry in entries] == ["failed", "failed"]


async def test_it_says_who_what_and_why(services: Services, catalog: Catalog) -> None:
    operation = {
        "id": "1",
        "command": "replay",
        "by": "arn:aws:sts::123456789012:assumed-role/operator/somebody",
        "reason": "a test",
        "begun_at": "2026-01-31T08:30:00.000+00:00",
        "changes": {
            "arguments": {"from": "2026-01-30", "to": None, "editor": False},
            "objects": 2,
            "rows_changed": 0,
        },
    }
    await services.account.s3.put_object(
        Bucket=services.account.quarantine_bucket,
        Key="operations/2026-01-31/1.json",
        Body=json.dumps(operation).encode(),
    )
    assert (await catalog("history")).stdout == (
        "2026-01-31T08:30:00Z  replay: begun, by assumed-role/operator/somebody\n"
        "  a test: from 2026-01-30, objects 2, rows changed 0\n"
    )
