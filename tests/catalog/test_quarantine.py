"""`catalog quarantine list|show` on real servers."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.repair.failed_batches import Damaged
from catalog.repair.quarantined import newest_first, read_line, short_id
from processor.reasons import Reason
from processor.s3_objects import quarantine_line
from processor.updates import Rejection
from tests.catalog.conftest import Catalog
from tests.support.events import SHARD, kinesis_event, kinesis_record, record, sequence
from tests.support.failed_batches import put_object
from tests.support.real_servers import Services

DAY_SECONDS = 24 * 60 * 60
ARRIVED = 1_769_848_200.123
HOSTILE = '{"product_id": "\x1b]0;title\x07[red]", "price": 1}'


LIST = r"""3 quarantined records
┏━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━┓
┃ reason        ┃ supplier ┃ records ┃
┡━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━┩
│ invalid_price │ acme     │ 2       │
│ invalid_json  │ unknown  │ 1       │
└───────────────┴──────────┴─────────┘
the newest 1:
{id}  2026-01-31T08:30:00Z  invalid_json, unknown
  not JSON: a control character in a string is not escaped at line 1, column 17; found "\u001b]0;ti…
"""


async def quarantine(services: Services, *data: str | dict[str, Any], first: int = 0, day: int = 0) -> None:
    """Send records that are rejected."""
    records = (
        kinesis_record(one, first + position, arrival_seconds=ARRIVED + day * DAY_SECONDS)
        for position, one in enumerate(data)
    )
    await services.invoke(kinesis_event(*records))


async def listed(catalog: Catalog, *options: str) -> dict[str, Any]:
    result = await catalog("quarantine", "list", "--json", *options)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


async def test_the_list_counts_by_reason_and_supplier(services: Services, catalog: Catalog) -> None:
    price = {"product_id": "a", "price": 1.999, "supplier": "acme"}
    await quarantine(services, price, price, HOSTILE)
    result = await catalog("quarantine", "list", "--limit", "1")
    assert result.exit_code == 0
    assert result.stdout == LIST.replace("{id}", short_id((SHARD, sequence(2), 0)))


CHOICES: list[tuple[tuple[str, ...], set[int]]] = [
    ((), {0, 1, 2}),
    (("--reason", "invalid_price"), {0, 2}),
    (("--code", "invalid_price", "--code", "invalid_json"), {0, 1, 2}),
    (("--supplier", "acme"), {0}),
    (("--supplier", "unknown"), {1, 2}),
    (("--since", "2026-02-01"), {2}),
    (("--until", "2026-02-01"), {0, 1}),
    (("--shard", "other"), set()),
    (("--product", "é-1"), {0}),
]


async def test_records_are_chosen(services: Services, catalog: Catalog) -> None:
    await quarantine(services, {"product_id": "é-1", "price": -1, "supplier": "acme"}, "no JSON")
    await quarantine(services, {"product_id": "b", "price": -1}, first=2, day=1)
    for options, positions in CHOICES:
        found = await listed(catalog, *options)
        numbers = {line["sequence_number"] for line in found["newest"]}
        assert (numbers, found["records"]) == ({sequence(at) for at in positions}, len(positions)), options


async def test_a_reason_that_does_not_exist_is_no_all_clear(catalog: Catalog) -> None:
    result = await catalog("quarantine", "list", "--reason", "invalid_prices")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no reason 'invalid_prices'; accepted: bad_aggregate, ")


async def test_a_supplier_without_records_is_told_from_others(services: Services, catalog: Catalog) -> None:
    nobody = await catalog("quarantine", "list", "--supplier", "nosuch")
    assert nobody.stderr == "no such record has the supplier 'nosuch'\n"
    await quarantine(services, {"product_id": "a", "price": -1, "supplier": "acme"}, "no JSON", "nor this")
    result = await catalog("quarantine", "list", "--supplier", "nosuch")
    assert (result.exit_code, result.stdout) == (0, "0 quarantined records\n")
    assert result.stderr == (
        "no such record has the supplier 'nosuch'; there are records of unknown (2), acme (1)\n"
    )
    assert (await catalog("quarantine", "list", "--supplier", "acme")).stderr == ""


async def test_a_record_of_two_objects_is_counted_once(services: Services, catalog: Catalog) -> None:
    await quarantine(services, "bad", "worse")
    await quarantine(services, "worse", first=1)
    assert (await listed(catalog))["records"] == 2


def test_the_newest_object_comes_first() -> None:
    older, newer = (datetime(2026, 1, day, tzinfo=UTC) for day in (30, 31))
    assert list(newest_first({"a": older, "b": newer, "c": older})) == ["b", "a", "c"]


GOOD = json.loads(quarantine_line(Rejection(record("x"), Reason.INVALID_JSON, "m")))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting property name"),
        ("[" * 50_000, "maximum recursion depth"),
        ("[]", "a member has another type"),
        ("7", "a member has another type"),
        (json.dumps(GOOD | {"shard": 7}), "shard is 7"),
        (json.dumps(GOOD | {"sequence_number": "x"}), 'sequence_number is "x"'),
        (json.dumps(GOOD | {"sub_sequence": 1.5}), "sub_sequence is 1.5"),
        (json.dumps(GOOD | {"arrival_time": "soon"}), "Invalid isoformat string: 'soon'"),
        (json.dumps(GOOD | {"arrival_time": "2026-01-31T08:30:00"}), "a member has another type"),
        (json.dumps(GOOD | {"data_base64": "?"}), "base64"),
        (json.dumps(GOOD | {"reason": None}), "reason or message is not a text"),
        (json.dumps(GOOD | {"supplier": {}}), "supplier is neither a text nor null"),
        (json.dumps({key: GOOD[key] for key in GOOD if key != "message"}), "it has no member 'message'"),
    ],
)
def test_a_damaged_line_is_a_finding(line: str, problem: str) -> None:
    damaged = read_line(line.encode(), "its key", 2, datetime.now(UTC))
    assert isinstance(damaged, Damaged)
    assert damaged.key == "its key line 2"
    assert problem in damaged.problem


async def test_damage_stops_nothing(services: Services, catalog: Catalog) -> None:
    key = f"quarantine/dt=2026-01-31/{SHARD}/1-2-000000000000.ndjson"
    await put_object(services, key, b"{\n" + json.dumps(GOOD).encode() + b"\n")
    result = await catalog("quarantine", "list", "--json")
    document = json.loads(result.stdout)
    (damaged,) = document["damaged"]
    assert (result.exit_code, document["records"], damaged["key"]) == (1, 1, f"{key} line 1")


async def test_an_object_of_another_name_is_a_finding(services: Services, catalog: Catalog) -> None:
    await put_object(services, "quarantine/readme.txt", b"")
    assert (await listed(catalog))["damaged"] == [
        {"key": "quarantine/readme.txt", "problem": "its name is not that of an object of quarantine"}
    ]


async def test_a_record_is_shown_with_its_bytes(services: Services, catalog: Catalog) -> None:
    await quarantine(services, HOSTILE, "other")
    result = await catalog("quarantine", "show", short_id((SHARD, sequence(0), 0)))
    assert result.exit_code == 0
    shown = {line[:16].strip(): line[17:] for line in result.stdout.splitlines()[:12]}
    assert (shown["sequence_number"], shown["redriven"]) == (sequence(0), "no")
    assert shown["today"].startswith("invalid_json: not JSON: a control character")
    assert result.stdout.endswith('45 bytes:\n{"product_id": "\\x1b]0;title\\x07[red]", "price": 1}\n')
    for words in ((SHARD, sequence(0)), (SHARD, sequence(0), "0")):
        (line,) = json.loads((await catalog("quarantine", "show", *words, "--json")).stdout)
        assert base64.b64decode(line["data_base64"]) == HOSTILE.encode()


async def test_todays_rules_are_not_asked_about_a_record_that_killed_its_processes(
    services: Services, catalog: Catalog
) -> None:
    killer = quarantine_line(Rejection(record("x"), Reason.KILLED_PROCESS, "three processes died"))
    await put_object(
        services, f"quarantine/dt=2026-01-31/{SHARD}/{sequence(0)}-{sequence(0)}-000000000000.ndjson", killer
    )
    (line,) = json.loads((await catalog("quarantine", "show", SHARD, sequence(0), "--json")).stdout)
    assert line["today"] == "not tried: it may kill this process too"


async def test_a_record_that_is_not_there_is_named(services: Services, catalog: Catalog) -> None:
    result = await catalog("quarantine", "show", "0123456789")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: no such record in quarantine: 0123456789. `catalog quarantine list --again` lists them\n",
    )
    assert (await catalog("quarantine", "show", SHARD, "x")).exit_code == 2
