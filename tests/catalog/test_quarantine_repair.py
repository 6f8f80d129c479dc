"""`catalog quarantine fix|redrive` on real servers: records come again under their own identity."""

import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.repair.quarantined import short_id
from processor.reasons import Reason
from processor.s3_objects import quarantine_line
from processor.updates import Rejection
from tests.catalog.conftest import Catalog
from tests.catalog.test_quarantine import listed, quarantine
from tests.support.events import SHARD, aggregate, kinesis_event, kinesis_record, record, sequence
from tests.support.failed_batches import put_object
from tests.support.real_servers import Services, environment_variables, objects

YES = ("--yes", "--reason", "test", "--json")
ROUND = ("--rule", "price: round to 2 decimals")
OFFER = r"""1 record to send
  invalid_price: 1
the first of them:
┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ id         ┃ reason        ┃ before                           ┃ after                            ┃
┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ {id} │ invalid_price │ {"product_id":"a","price":19.995 │ {"product_id":"a","price":20.00} │
│            │               │ }                                │                                  │
└────────────┴───────────────┴──────────────────────────────────┴──────────────────────────────────┘
left: 1: its price is negative
"""


def id_of(position: int) -> str:
    return short_id((SHARD, sequence(position), 0))


async def put_rejections(services: Services, *rejections: Rejection) -> None:
    """Put one object with these rejections into quarantine."""
    first, last = rejections[0].record.sequence_number, rejections[-1].record.sequence_number
    body = b"\n".join(map(quarantine_line, rejections))
    await put_object(services, f"quarantine/dt=2026-01-31/{SHARD}/{first}-{last}-000000000000.ndjson", body)


async def test_a_dry_run_shows_before_and_after(services: Services, catalog: Catalog) -> None:
    await quarantine(services, {"product_id": "a", "price": 19.995}, {"product_id": "a", "price": -1})
    result = await catalog("quarantine", "fix", *ROUND)
    assert result.exit_code == 0
    assert result.stdout == OFFER.replace("{id}", id_of(0))
    assert result.stderr == "Dry run: nothing was changed. To send 1 record, give --yes.\n"
    assert await services.row("a") is None


async def test_what_is_sent_is_shown_before(services: Services, catalog: Catalog) -> None:
    await quarantine(services, {"product_id": "a", "price": 19.995}, {"product_id": "a", "price": -1})
    with environment_variables({"EDITOR": "sed -i.bak s/19.995/20.00/", "VISUAL": ""}):
        result = await catalog("quarantine", "fix", id_of(0), "--editor", "--yes", "--reason", "test")
    printed = "".join(line for line in result.stdout.splitlines(keepends=True) if not line.startswith("{"))
    offered = OFFER.replace("{id}", id_of(0)).partition("left:")[0]
    assert (result.exit_code, printed) == (
        0,
        f"{offered}1 record accepted, 0 rejected again, 0 not done, 0 left as they were\n",
    )


@pytest.mark.parametrize("change", [ROUND, ("--editor",), ("--patch", '[{"op":"remove","path":"/price"}]')])
@pytest.mark.parametrize("yes", [(), ("--yes", "--reason", "test")])
async def test_what_was_fixed_is_said_in_the_same_words(
    services: Services, catalog: Catalog, change: tuple[str, ...], yes: tuple[str, ...]
) -> None:
    await quarantine(services, {"product_id": "a", "price": 19.995})
    await catalog("quarantine", "fix", *ROUND, *YES)
    result = await catalog("quarantine", "fix", id_of(0), *change, *yes)
    assert (result.exit_code, result.stdout) == (0, "0 records to send\n")
    said = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert [line.partition(" at ")[0] for line in said] == [f"{id_of(0)} was fixed"]


async def test_a_dry_run_shows_as_many_as_asked_for(services: Services, catalog: Catalog) -> None:
    await quarantine(services, *({"product_id": "a", "price": 1.001} for _ in range(12)))
    for options, count in (((), 10), (("--show", "3"), 3), (("--show", "0"), 12)):
        result = await catalog("quarantine", "fix", *ROUND, *options, "--json")
        assert len(json.loads(result.stdout)["sample"]) == count


async def test_a_fixed_record_keeps_its_version_and_is_not_offered_again(
    services: Services, catalog: Catalog
) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999, "inventory": 7})
    await services.invoke(kinesis_event(kinesis_record({"product_id": "a", "inventory": 9}, 1)))
    result = await catalog("quarantine", "fix", *ROUND, *YES)
    assert json.loads(result.stdout)["accepted"] == 1
    row = await services.row("a")
    assert row is not None
    assert (row["price"], row["inventory"]) == (Decimal("2.00"), 9)
    assert f":{sequence(0)} " in row["price_version"]
    assert (await listed(catalog))["records"] == 0
    (line,) = (await listed(catalog, "--again"))["newest"]
    assert line["redriven"] == "fixed"
    for command in (("fix", *ROUND), ("redrive", "--again")):
        assert json.loads((await catalog("quarantine", *command, "--json")).stdout)["records"] == 0
    (operation,) = json.loads((await catalog("history", "--json")).stdout)
    assert (operation["command"], operation["changes"]["accepted"]) == ("quarantine fix", 1)
    assert operation["changes"]["arguments"] == {
        "rule": ROUND[1], "patch": None, "editor": False, "reasons": ["invalid_price"]
    }  # fmt: skip


@pytest.mark.parametrize("command", [("fix", *ROUND), ("redrive",)])
async def test_an_id_of_no_record_is_an_error(catalog: Catalog, command: tuple[str, ...]) -> None:
    result = await catalog("quarantine", *command, "0000000000", *YES)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no such record in quarantine: 0000000000. ")


async def test_what_was_fixed_already_is_said_and_is_no_operation(
    services: Services, catalog: Catalog
) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999})
    for _ in range(2):
        result = await catalog("quarantine", "fix", id_of(0), *ROUND, *YES)
    assert result.exit_code == 0
    assert re.match(
        rf"{id_of(0)} was fixed at 20\d\d-\d\d-\d\dT[0-9:]{{8}}Z: see `catalog history`\n", result.stderr
    )
    assert len(json.loads((await catalog("history", "--json")).stdout)) == 1


async def test_a_patch_keeps_numbers_exact(services: Services, catalog: Catalog, tmp_path: Path) -> None:
    text = '{"product_id":"a","price":19.99,"inventory":-1,"weight":1234567890123456789.000000001}'
    await quarantine(services, text, "no JSON")
    patch = tmp_path / "patch.json"
    patch.write_text('[{"op": "replace", "path": "/inventory", "value": 3}]')
    result = await catalog("quarantine", "fix", id_of(0), id_of(1), "--patch", str(patch), *YES)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["accepted"]) == (0, 1)
    assert document["left"] == {"not JSON: Expecting value: line 1 column 1 (char 0)": 1}
    accepted = [line["data"] for line in await services.archive_lines() if line["verdict"] == "accepted"]
    assert [line["inventory"] for line in accepted] == [3]
    bodies = b"".join(
        gzip.decompress(body) for _, body in await objects(services.account, services.account.archive_bucket)
    )
    assert b'"weight":1234567890123456789.000000001}' in bodies


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("--patch", "{}"), "error: --patch is not a list of operations (RFC 6902)"),
    (("--patch", "[{}]"), "error: --patch is not a JSON patch (RFC 6902)"),
    (("--patch", "no/file"), "error: --patch 'no/file' is neither JSON nor a file"),
    (("--patch", "[1"), "error: --patch: not JSON"),
    ((), "error: one of --rule, --patch, --editor and --finish is accepted"),
    (("--rule", "price: round", "--editor"), "error: one of --rule"),
    (("--rule", "price: guess"), "error: no rule 'price: guess'; accepted: \"price: "),
    (("--rule", "product_id: trim"), 'error: "product_id: trim" mends invalid_product_id, not invalid_price'),
]


async def test_a_wrong_fix_is_named(catalog: Catalog) -> None:
    for arguments, message in WRONG:
        result = await catalog("quarantine", "fix", "--code", "invalid_price", *arguments)
        assert (result.exit_code, result.stderr[: len(message)]) == (2, message)


async def test_a_patch_for_everything_is_refused(catalog: Catalog) -> None:
    result = await catalog("quarantine", "fix", "--patch", "[]")
    assert (result.exit_code, "say which records" in result.stderr) == (2, True)


async def test_records_are_fixed_in_the_editor(services: Services, catalog: Catalog, tmp_path: Path) -> None:
    await quarantine(services, '{"product_id": "a",\n"inventory": 1', '{"product_id": "b"}', "same")
    editor = tmp_path / "editor"
    editor.write_text(
        "#!/bin/sh\n"
        """sed -i.bak -e 's/"inventory": 1$/"inventory": 1}/' -e 's/"b"}/"b", "inventory": 2}/' "$1"\n"""
    )
    editor.chmod(0o700)
    with environment_variables({"EDITOR": str(editor), "VISUAL": ""}):
        result = await catalog("quarantine", "fix", "--editor", "--shard", SHARD, *YES)
    document = json.loads(result.stdout)
    assert (document["accepted"], document["left"]) == (2, {"unchanged": 1})
    rows = await services.database.fetch("SELECT product_id, inventory FROM products ORDER BY 1")
    assert [tuple(row) for row in rows] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(("editor", "code"), [("false", 1), ("", 2), ("no-such-editor", 2)])
async def test_an_editor_that_fails_changes_nothing(
    services: Services, catalog: Catalog, editor: str, code: int
) -> None:
    await quarantine(services, "bad")
    with environment_variables({"EDITOR": editor, "VISUAL": ""}):
        result = await catalog("quarantine", "fix", id_of(0), "--editor", *YES)
    assert (result.exit_code, result.stderr.startswith("error: ")) == (code, True)


async def test_what_was_our_fault_is_redriven(services: Services, catalog: Catalog) -> None:
    good = '{"product_id": "a", "inventory": 4}'
    await put_rejections(
        services,
        Rejection(record(good, 0), Reason.INTERNAL_ERROR, "ZeroDivisionError"),
        Rejection(record("no JSON", 1), Reason.CATALOG_REFUSED, "refused"),
        Rejection(record("no JSON", 2), Reason.INVALID_JSON, "not JSON"),
        Rejection(record(good, 3), Reason.INVALID_PRICE, "a rule of before"),  # type: ignore[attr-defined]
        Rejection(record("?", 4), Reason.INVALID_BASE64, "not base64"),
    )
    result = await catalog("quarantine", "redrive", *YES)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["accepted"]) == (1, 2)
    assert document["rejected_again"] == [
        {"id": id_of(1), "reason": "invalid_json", "before": "catalog_refused"}
    ]
    assert list(document["left"]) == [
        "invalid_json: rejected by today's rules too",
        "invalid_base64: the record's bytes were never received: its caller must send it again",
    ]
    row = await services.row("a")
    assert row is not None
    assert f":{sequence(3)} " in row["inventory_version"]
    counts = {one["reason"]: one["records"] for one in (await listed(catalog))["counts"]}
    # S3 says to the second when an object was written: of two lines of that second, either is the newest.
    second = {"invalid_json": 1, "catalog_refused": 1}
    assert counts in ({"invalid_json": 2, "invalid_base64": 1}, {"invalid_base64": 1} | second)


async def test_an_aggregate_that_was_quarantined_whole_is_unpacked(
    services: Services, catalog: Catalog
) -> None:
    packed = aggregate([("k", b'{"product_id": "%s", "price": 4}' % name) for name in (b"a", b"b")])
    await put_rejections(
        services, Rejection(record(packed, 0, sub_sequence=-1), Reason.KILLED_PROCESS, "three died")
    )
    result = await catalog("quarantine", "redrive", *YES)
    assert json.loads(result.stdout)["accepted"] == 1
    assert [line["sub_sequence"] for line in await services.archive_lines()] == [0, 1]


async def test_one_record_that_makes_the_function_fail_keeps_no_other(
    services: Services, catalog: Catalog
) -> None:
    await services.database.execute("ALTER TABLE products RENAME COLUMN price TO cost")
    good = '{"product_id": "a", "inventory": 4}'
    await put_rejections(
        services,
        *(Rejection(record(good, position), Reason.INTERNAL_ERROR, "m") for position in range(2)),
        Rejection(record("no JSON", 2), Reason.INTERNAL_ERROR, "m"),
    )
    document: dict[str, Any] = json.loads((await catalog("quarantine", "redrive", *YES)).stdout)
    assert [failure["key"] for failure in document["failures"]] == [id_of(0), id_of(1)]
    assert [again["id"] for again in document["rejected_again"]] == [id_of(2)]
    assert (await listed(catalog))["records"] == 3
