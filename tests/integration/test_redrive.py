"""Redriven records on real servers: they keep their identity, and go the way of all records."""

import base64
from typing import Any

from processor.records import WHOLE_AGGREGATE
from tests.support.events import ARRIVAL_MS, SHARD, aggregate, kinesis_event, kinesis_record, sequence
from tests.support.real_servers import Services

DAY_MS = 24 * 60 * 60 * 1000


def redrive_event(*records: tuple[bytes, int], **changes: Any) -> dict[str, Any]:
    """Return the event with these (bytes, position in the shard)."""
    return {
        "source": "catalog.redrive",
        "records": [
            {
                "shard": SHARD,
                "sequence_number": sequence(position),
                "sub_sequence": 0,
                "partition_key": "key",
                "arrival_ms": ARRIVAL_MS,
                "data_base64": base64.b64encode(data).decode(),
            }
            | changes
            for data, position in records
        ],
    }


async def test_a_fixed_record_has_its_old_version_and_a_second_line_in_the_archive(
    services: Services,
) -> None:
    await services.invoke(kinesis_event(kinesis_record('{"product_id": "a", "price": 1.999}', 5)))
    event = redrive_event((b'{"product_id": "a", "price": 2.00, "inventory": 3}', 5))
    assert await services.invoke(event) == {"batchItemFailures": [], "rejected": {}}
    row = await services.row("a")
    assert row is not None
    assert (
        row["price_version"] == f"2026-01-31T08:30:00.123000Z 056:{sequence(5)} 0000000 {SHARD} {ARRIVAL_MS}"
    )
    lines = [(line["sequence_number"], line["verdict"]) for line in await services.archive_lines()]
    assert sorted(lines) == [(sequence(5), "accepted"), (sequence(5), "invalid_price")]


async def test_it_overwrites_nothing_newer(services: Services) -> None:
    await services.invoke(kinesis_event(kinesis_record('{"product_id": "a", "inventory": 9}', 6)))
    await services.invoke(redrive_event((b'{"product_id": "a", "inventory": 3, "price": 1}', 5)))
    row = await services.row("a")
    assert row is not None
    assert (row["inventory"], row["price"]) == (9, 1)


async def test_what_is_rejected_again_is_answered_and_quarantined(services: Services) -> None:
    event = redrive_event((b'{"product_id": "a", "inventory": 3}', 1), (b'{"product_id": "b"}', 2), (b"x", 3))
    answer = await services.invoke(event)
    assert answer["rejected"] == {"1": "nothing_to_update", "2": "invalid_json"}
    assert [line["sequence_number"] for line in await services.quarantine_lines()] == [
        sequence(2),
        sequence(3),
    ]
    assert await services.row("a") is not None


async def test_a_whole_aggregate_is_unpacked(services: Services) -> None:
    packed = aggregate([("k0", b'{"product_id": "a", "inventory": 1}'), ("k1", b"bad")])
    answer = await services.invoke(redrive_event((packed, 0), sub_sequence=WHOLE_AGGREGATE))
    assert answer == {"batchItemFailures": [], "rejected": {"0": "invalid_json"}}
    assert [line["sub_sequence"] for line in await services.archive_lines()] == [0, 1]
    assert await services.row("a") is not None


async def test_records_of_several_days_are_archived_under_their_days(services: Services) -> None:
    event = redrive_event(
        (b'{"product_id": "a", "inventory": 1}', 0), (b'{"product_id": "b", "inventory": 1}', 1)
    )
    event["records"][1]["arrival_ms"] += DAY_MS
    await services.invoke(event)
    listed = await services.account.s3.list_objects_v2(Bucket=services.account.archive_bucket)
    days = [found["Key"].split("/")[1] for found in listed["Contents"]]
    assert days == ["dt=2026-01-31", "dt=2026-02-01"]


async def test_without_the_quarantine_bucket_it_is_unfinished(services: Services) -> None:
    await services.account.s3.delete_bucket(Bucket=services.account.quarantine_bucket)
    answer = await services.invoke(redrive_event((b"bad", 4)))
    assert answer["batchItemFailures"] == [{"itemIdentifier": sequence(4)}]


async def test_a_batch_after_an_unfinished_one_does_not_hide_it(services: Services) -> None:
    await services.account.s3.delete_bucket(Bucket=services.account.quarantine_bucket)
    event = redrive_event((b"bad", 4), (b'{"product_id": "a", "inventory": 1}', 5))
    event["records"][1]["shard"] = "shardId-000000000007"
    answer = await services.invoke(event)
    assert answer["batchItemFailures"] == [{"itemIdentifier": sequence(4)}]
