"""`catalog archive verify` finds what is wrong with an archive, and says where."""

import json
from typing import Any

import pytest

from processor.s3_objects import archive_line
from tests.catalog.conftest import Catalog, lines_of
from tests.support.archives import archive, archive_lines, put, quarantine
from tests.support.events import ARRIVAL_MS, SHARD, kinesis_event, kinesis_record, record, sequence
from tests.support.failed_batches import put_object
from tests.support.real_servers import ALL_DONE, Services

DAY_MS = 24 * 60 * 60 * 1000
GOOD: dict[str, Any] = {"product_id": "p1", "inventory": 1}
BAD: dict[str, Any] = {"product_id": "p1", "price": "much"}


async def findings(catalog: Catalog, *arguments: str) -> list[tuple[str, str, int | None, str]]:
    """Return what `verify` finds: kind, key, line, message."""
    result = await catalog("archive", "verify", "--json", *arguments)
    document = json.loads(result.stdout)
    assert result.exit_code == (1 if document["found"] else 0), result.stderr
    return [tuple(found.values()) for found in document["findings"]]


async def counts(catalog: Catalog, *arguments: str) -> dict[str, Any]:
    result = await catalog("archive", "verify", "--json", *arguments)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


async def test_what_the_processor_writes_is_whole(catalog: Catalog, services: Services) -> None:
    bad = [b"\xff\xfe", "{", '{"product_id":"p3"}', '{"product_id":"p4","price":1.005}']
    good: list[Any] = [
        GOOD,
        '{\n"product_id": "p2", "price": "9.99", "supplier": "a\\ud800"}',
        {"product_id": "p3", "inventory": 7},
    ]
    event = kinesis_event(*(kinesis_record(each, place) for place, each in enumerate([*good, *bad])))
    assert await services.invoke(event) == ALL_DONE
    result = await catalog("archive", "verify")
    assert result.exit_code == 0
    assert result.stderr.startswith("no findings. That an object was deleted shows only where quarantine")
    assert await findings(catalog) == []


async def test_the_screen(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD, 1), record(GOOD, 2)])
    await archive(services, [record(GOOD, 2)])
    await put(services, "notes.txt", b"mine")
    result = await catalog("archive", "verify", "--no-table")
    assert result.exit_code == 0
    assert lines_of(result.stdout) == [
        "day         shard                 objects  records  duplicates  fixed  findings",
        "───────────────────────────────────────────────────────────────────────────────",
        "2026-01-31  shardId-000000000006        2        3           1      0         0",
    ]
    assert result.stderr.startswith(
        "note: not read: 1 object with a name that the processor does not write: notes.txt\nno findings."
    )


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ([b"{"], 1, "it is not JSON: '{'"),
        ([b""], 1, "it is not JSON: ''"),
        ([b"[1]"], 1, "it is JSON, but not an object"),
        (
            [b'{"a":1,"data":{}}'],
            1,
            "it has no identity: shard, sequence_number, sub_sequence, arrival_time missing",
        ),
        ([archive_line(record(GOOD), "accepted")[:-3]], 1, None),
        ([archive_line(record(GOOD), "no such verdict")], 1, "no verdict is 'no such verdict'"),
        (
            [archive_line(record(GOOD), "accepted").replace(b'"sub_sequence":0', b'"sub_sequence":-9')],
            1,
            "sub_sequence is -9",
        ),
        (
            [archive_line(record(GOOD), "accepted").replace(b"08:30:00.123Z", b"08:30")],
            1,
            "arrival_time is '2026-01-31T08:30'; such as 2026-01-31T08:30:00.123Z is written",
        ),
        ([archive_line(record(b"\xff"), "invalid_utf8").replace(b'"/', b'"!')], 1, None),
        ([], None, "it holds no record"),
    ],
)
async def test_a_damaged_line(
    catalog: Catalog, services: Services, lines: list[bytes], line: int | None, message: str | None
) -> None:
    key = await archive_lines(services, [record(GOOD)], lines)
    ((kind, where, number, said),) = await findings(catalog, "--no-table")
    assert (kind, where, number) == ("damage", key, line)
    assert message is None or said == message


async def test_a_line_without_a_verdict_is_judged_by_todays_rules(
    catalog: Catalog, services: Services
) -> None:
    lines = [
        archive_line(record(each, place), "accepted").replace(b',"verdict":"accepted"', b"")
        for place, each in enumerate((GOOD, BAD))
    ]
    assert b"verdict" not in b"".join(lines)
    await archive_lines(services, [record(GOOD), record(BAD, 1)], lines)
    (found,) = await findings(catalog, "--no-table")
    assert (found[0], found[2]) == ("missing", 2)
    assert "was rejected, but is not in quarantine" in found[3]


async def test_a_foreign_key_cannot_write_on_the_terminal(catalog: Catalog, services: Services) -> None:
    await put(services, "\x1b[31m[bold]\u202e", b"")
    result = await catalog("archive", "verify", "--no-table")
    assert "not write: \\x1b[31m[bold]\\u202e\n" in result.stderr


@pytest.mark.parametrize("cut", [-4, 12, 3])
async def test_a_cut_off_object(catalog: Catalog, services: Services, cut: int) -> None:
    key = await archive(services, [record(GOOD)])
    body = await (await services.account.s3.get_object(Bucket=services.account.archive_bucket, Key=key))[
        "Body"
    ].read()
    await put(services, key, body[:cut])
    assert [found[:2] for found in await findings(catalog, "--no-table")] == [("damage", key)]


async def test_what_is_not_gzip_and_what_follows_it(catalog: Catalog, services: Services) -> None:
    key = await archive(services, [record(GOOD)])
    body = await (await services.account.s3.get_object(Bucket=services.account.archive_bucket, Key=key))[
        "Body"
    ].read()
    for wrong in (b"plain", body + b"more", b""):
        await put(services, key, wrong)
        assert [found[:2] for found in await findings(catalog, "--no-table")] == [("damage", key)], wrong


async def test_a_key_that_says_something_else(catalog: Catalog, services: Services) -> None:
    records = [record(GOOD, 1), record(GOOD, 2)]
    key = await archive(services, records)
    body = await (await services.account.s3.get_object(Bucket=services.account.archive_bucket, Key=key))[
        "Body"
    ].read()
    await services.account.s3.delete_object(Bucket=services.account.archive_bucket, Key=key)
    digest = key[-22:-10]
    for old, new, message in (
        (digest, "0" * 12, f"the hash of its lines is {digest}, its key says 000000000000"),
        (
            sequence(1),
            sequence(0),
            f"its records are {sequence(1)} to {sequence(2)}, its key says other ones",
        ),
        (
            sequence(2),
            sequence(3),
            f"its records are {sequence(1)} to {sequence(2)}, its key says other ones",
        ),
        ("2026-01-31", "2026-02-01", "its first record arrived on 2026-01-31, its key says 2026-02-01"),
    ):
        wrong = await put(services, key.replace(old, new), body)
        found = await findings(catalog, "--no-table")
        assert [(kind, where, said) for kind, where, _, said in found] == [("key", wrong, message)]
        await services.account.s3.delete_object(Bucket=services.account.archive_bucket, Key=wrong)
    wrong = await put(services, key.replace(SHARD, "shardId-000000000001"), body)
    assert [found[:3] for found in await findings(catalog, "--no-table")] == [
        ("key", wrong, 1),
        ("key", wrong, 2),
    ]


async def test_order_inside_an_object(catalog: Catalog, services: Services) -> None:
    key = await archive(
        services, [record(GOOD, 1), record(GOOD, 1, sub_sequence=1), record(GOOD, 0), record(GOOD, 2)]
    )
    assert [found[:3] for found in await findings(catalog, "--no-table")] == [("order", key, 3)]


async def test_foreign_objects(catalog: Catalog, services: Services) -> None:
    keys = ["a.txt", "inventory/dt=2026-01-31/x/1-2-abc.ndjson.gz", "inventory/readme"]
    for key in keys:
        await put(services, key, b"")
    await put_object(services, "quarantine/readme.txt", b"")
    found = await counts(catalog, "--no-table")
    note = "not read: {} that the processor does not write: {}"
    assert (found["found"], found["notes"]) == (
        0,
        [
            note.format("3 objects with names", "a.txt, and 2 more"),
            note.format("1 object with a name", "quarantine/readme.txt"),
        ],
    )


async def test_duplicates_are_counted(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD, place) for place in range(3)])
    await archive(services, [record(GOOD, place) for place in range(1, 3)])
    found = await counts(catalog, "--no-table")
    assert (found["records"], found["duplicates"], found["fixed"], found["found"]) == (5, 2, 0, 0)


async def test_two_contents(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD)])
    await archive(services, [record({**GOOD, "inventory": 2})])
    ((kind, _, line, message),) = await findings(catalog, "--no-table")
    assert (kind, line) == ("contents", 1)
    assert message.startswith(f"{SHARD} {sequence(0)}/0 has 2 contents, another in inventory/dt=2026-01-31/")


@pytest.mark.parametrize("data", [BAD, GOOD])
async def test_a_rejected_record_that_was_fixed(
    catalog: Catalog, services: Services, data: dict[str, Any]
) -> None:
    await archive(services, [record(data)], "internal_error")
    await quarantine(services, [record(data)])
    await archive(services, [record(GOOD)])
    found = await counts(catalog, "--no-table")
    assert (found["fixed"], found["duplicates"], found["found"]) == (1, 0, 0)


async def test_a_value_that_the_table_refused_and_that_was_fixed(
    catalog: Catalog, services: Services
) -> None:
    """The archive says that the first was accepted, since the table refuses later."""
    await archive(services, [record(BAD)])
    await quarantine(services, [record(BAD)])
    await archive(services, [record(GOOD)])
    found = await counts(catalog, "--no-table")
    assert (found["fixed"], found["found"]) == (1, 0)


async def test_rejected_twice_with_two_contents(catalog: Catalog, services: Services) -> None:
    for data in (BAD, {**BAD, "price": "more"}):
        await archive(services, [record(data)], "invalid_price")
        await quarantine(services, [record(data)])
    assert [found[0] for found in await findings(catalog, "--no-table")] == ["contents"]


@pytest.mark.parametrize(("records", "kind"), [(100, ["gap"]), (99, [])])
async def test_a_day_without_objects(
    catalog: Catalog, services: Services, records: int, kind: list[str]
) -> None:
    for day in (0, 3):
        late = ARRIVAL_MS + day * DAY_MS
        await archive(services, [record(GOOD, day * 1000 + each, arrival_ms=late) for each in range(records)])
    assert [found[0] for found in await findings(catalog, "--no-table")] == kind
    notes = (await counts(catalog, "--no-table"))["notes"]
    assert len(notes) == 1 - len(kind)
    assert all(f"{SHARD} 2026-02-01 to 2026-02-02: no object" in note for note in notes)


async def test_quarantine_and_archive_miss_each_others_records(catalog: Catalog, services: Services) -> None:
    archived = await archive(services, [record(BAD, 1), record(BAD, 2)], "invalid_price")
    quarantined = await quarantine(services, [record(BAD, 2), record(BAD, 3)])
    assert [found[:3] for found in await findings(catalog, "--no-table")] == [
        ("missing", quarantined, 2),
        ("missing", archived, 1),
    ]


async def test_a_batch_over_midnight_is_whole(catalog: Catalog, services: Services) -> None:
    """Its archive object is of the first record's day, its quarantine object of the first rejected one's."""
    late = record(BAD, 2, arrival_ms=ARRIVAL_MS + DAY_MS)
    lines = [archive_line(record(GOOD, 1), "accepted"), archive_line(late, "invalid_price")]
    await archive_lines(services, [record(GOOD, 1), late], lines)
    await quarantine(services, [late])
    for day in ("2026-01-31", "2026-02-01"):
        assert await findings(catalog, "--no-table", "--from", day, "--to", day) == []


async def test_a_row_that_no_line_proves(catalog: Catalog, services: Services) -> None:
    event = kinesis_event(kinesis_record(GOOD, 1), kinesis_record({"product_id": "p2", "inventory": 1}, 2))
    assert await services.invoke(event) == ALL_DONE
    (key,) = [
        found["Key"]
        for found in (await services.account.s3.list_objects_v2(Bucket=services.account.archive_bucket))[
            "Contents"
        ]
    ]
    await services.account.s3.delete_object(Bucket=services.account.archive_bucket, Key=key)
    await archive(services, [record(GOOD, 1)])
    assert await findings(catalog) == [
        (
            "missing",
            "product 'p2'",
            None,
            f"its version is of {SHARD} {sequence(2)}/0, which is not in the archive: its object is gone",
        )
    ]
    assert await findings(catalog, "--from", "2026-01-30", "--to", "2026-01-30") == []


async def test_days_and_shard_choose(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD, 1)])
    await archive(services, [record(GOOD, 2, arrival_ms=ARRIVAL_MS + DAY_MS)])
    await archive(services, [record(GOOD, 3, shard="shardId-000000000001")])
    days = ("--from", "2026-01-31", "--to", "2026-01-31", "--no-table")
    assert (await counts(catalog, *days))["records"] == 2
    assert (await counts(catalog, *days, "--shard", SHARD))["records"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--to", "2026-01-01"],
            "--to needs --from: the first and the last day, both included",
        ),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "--from 2026-01-02 is later than --to 2026-01-01"),
    ],
)
async def test_wrong_days(catalog: Catalog, arguments: list[str], message: str) -> None:
    result = await catalog("archive", "verify", *arguments)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")
