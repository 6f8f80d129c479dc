"""The handler on real servers, one batch at a time."""

import base64
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from processor.errors import EventError, SettingsError
from tests.support.events import (
    ARRIVAL_MS,
    ARRIVAL_TIME,
    SHARD,
    aggregate,
    kinesis_event,
    kinesis_record,
    sequence,
)
from tests.support.real_servers import ALL_DONE, Services, environment_variables, objects

REFERENCE = '{"product_id": "product123", "inventory": 100, "price": 29.99}'


async def test_the_reference_update_reaches_row_archive_and_cache(services: Services) -> None:
    await services.redis.set("product:product123", "an old value")
    await services.redis.set("lease:product123", "somebody's")

    answer = await services.invoke(kinesis_event(kinesis_record(REFERENCE, partition_key="product123")))

    assert answer == ALL_DONE
    row = await services.row("product123")
    assert row is not None
    arrived = datetime.fromtimestamp(ARRIVAL_MS / 1000, UTC)
    assert (row["inventory"], row["price"], row["last_updated"]) == (100, Decimal("29.99"), arrived)
    assert await services.archive_lines() == [
        {
            "shard": SHARD,
            "sequence_number": sequence(0),
            "sub_sequence": 0,
            "partition_key": "product123",
            "arrival_time": ARRIVAL_TIME,
            "verdict": "accepted",
            "data": {"product_id": "product123", "inventory": 100, "price": 29.99},
        }
    ]
    assert await services.quarantine_lines() == []
    assert await services.redis.keys("*") == []


async def test_records_without_a_partition_key_are_archived_and_quarantined_with_null(
    services: Services,
) -> None:
    event = kinesis_event(kinesis_record(REFERENCE, partition_key=None), kinesis_record("bad", 1))
    del event["Records"][1]["kinesis"]["partitionKey"]
    assert await services.invoke(event) == ALL_DONE
    assert await services.row("product123") is not None
    archived = [(line["partition_key"], line["verdict"]) for line in await services.archive_lines()]
    assert archived == [(None, "accepted"), (None, "invalid_json")]
    (quarantined,) = await services.quarantine_lines()
    assert quarantined["partition_key"] is None


async def test_from_a_row_the_archive_line_that_wrote_each_field_is_found(services: Services) -> None:
    await services.invoke(
        kinesis_event(
            kinesis_record('{"product_id": "a", "inventory": 7}', 0),
            kinesis_record('{"product_id": "a", "price": "1.50"}', 1),
        )
    )
    row = await services.row("a")
    assert row is not None
    for position, field in enumerate(("inventory_version", "price_version")):
        event_time, numbered, sub_sequence, shard, arrival_ms = row[field].split(" ")
        assert numbered.partition(":")[2] == sequence(position)
        assert (int(sub_sequence), shard, int(arrival_ms)) == (0, SHARD, ARRIVAL_MS)
        assert datetime.fromisoformat(event_time) == datetime.fromtimestamp(ARRIVAL_MS / 1000, UTC)


async def test_a_batch_delivered_again_adds_nothing_and_invalidates_again(services: Services) -> None:
    event = kinesis_event(kinesis_record(REFERENCE, 0), kinesis_record("garbage", 1))
    await services.invoke(event)
    before = await objects(services.account, services.account.archive_bucket)
    row = await services.row("product123")
    await services.redis.set("product:product123", "what a reader stored meanwhile")

    assert await services.invoke(event) == ALL_DONE

    assert await objects(services.account, services.account.archive_bucket) == before
    assert len(await services.quarantine_lines()) == 1
    assert await services.row("product123") == row
    assert await services.redis.keys("*") == []


async def test_a_missing_field_leaves_the_row_alone_and_old_updates_lose(services: Services) -> None:
    def update(position: int, text: str) -> dict[str, object]:
        return kinesis_record(text, position)

    newer = '{"product_id": "a", "inventory": 5, "event_time": "2026-01-02T00:00:00Z"}'
    older = '{"product_id": "a", "inventory": 9, "price": 3, "event_time": "2026-01-01T00:00:00Z"}'
    await services.invoke(kinesis_event(update(1, newer)))
    await services.invoke(kinesis_event(update(2, older)))

    row = await services.row("a")
    assert row is not None
    assert (row["inventory"], row["price"]) == (5, Decimal("3.00"))
    assert row["last_updated"] == datetime(2026, 1, 2, tzinfo=UTC)


async def test_a_product_created_by_a_price_has_no_inventory_version(services: Services) -> None:
    await services.invoke(kinesis_event(kinesis_record('{"product_id": "a", "price": 1}', 0)))
    row = await services.row("a")
    assert row is not None
    assert (row["inventory"], row["inventory_version"]) == (0, None)
    older = '{"product_id": "a", "inventory": 4, "event_time": "1970-01-01T00:00:00Z"}'
    await services.invoke(kinesis_event(kinesis_record(older, 1)))
    row = await services.row("a")
    assert row is not None
    assert row["inventory"] == 4


async def test_a_discontinued_product_keeps_its_row_and_only_a_newer_update_brings_it_back(
    services: Services,
) -> None:
    async def after(position: int, day: int, **fields: object) -> tuple[object, ...]:
        content = {"product_id": "a", "event_time": f"2026-01-{day:02d}T00:00:00Z", **fields}
        assert await services.invoke(kinesis_event(kinesis_record(content, position))) == ALL_DONE
        row = await services.row("a")
        assert row is not None
        return row["discontinued"], row["inventory"], row["inventory_version"] is None

    assert await after(1, 5, discontinued=True) == (True, 0, True)
    assert await after(2, 3, inventory=4, discontinued=False) == (True, 4, False)
    assert await after(3, 4, discontinued=False) == (True, 4, False)
    assert await after(4, 6, inventory=9) == (True, 9, False)
    assert await after(5, 7, discontinued=False) == (False, 9, False)


async def test_versions_compare_bytewise_whatever_the_database_collates(services: Services) -> None:
    # The shard decides last; en_US orders "_" and "-" differently than bytes.
    same = '{"product_id": "a", "inventory": %d, "event_time": "2026-01-01T00:00:00Z"}'
    await services.invoke(kinesis_event(kinesis_record(same % 1, 0, shard="shard_1")))
    await services.invoke(kinesis_event(kinesis_record(same % 2, 0, shard="shard-2")))
    row = await services.row("a")
    assert row is not None
    assert row["inventory"] == 1


async def test_an_aggregated_record_is_archived_and_applied_by_sub_sequence(services: Services) -> None:
    packed = aggregate(
        [("k0", b'{"product_id": "a", "inventory": 1}'), ("k1", b"bad"), ("k2", REFERENCE.encode())]
    )
    assert await services.invoke(kinesis_event(kinesis_record(packed))) == ALL_DONE
    lines = await services.archive_lines()
    assert [(line["sub_sequence"], line["partition_key"]) for line in lines] == [
        (0, "k0"),
        (1, "k1"),
        (2, "k2"),
    ]
    assert [line["sub_sequence"] for line in await services.quarantine_lines()] == [1]
    assert await services.row("a") is not None
    assert await services.row("product123") is not None


async def test_ten_thousand_bad_records_go_through_in_one_batch(services: Services) -> None:
    event = kinesis_event(*(kinesis_record(f"bad {number}", number) for number in range(10_000)))
    assert await services.invoke(event, remaining_ms=60_000) == ALL_DONE
    lines = await services.quarantine_lines()
    assert [line["sequence_number"] for line in lines] == [sequence(number) for number in range(10_000)]
    assert len(await objects(services.account, services.account.quarantine_bucket)) == 1
    assert len(await services.archive_lines()) == 10_000


async def test_what_the_table_refuses_is_isolated_and_quarantined(services: Services) -> None:
    await services.database.execute("ALTER TABLE products ADD CHECK (product_id <> 'cursed')")
    texts = ['{"product_id": "%s", "inventory": 1}' % name for name in ("a", "b", "cursed", "c")]  # noqa: UP031
    event = kinesis_event(*(kinesis_record(text, position) for position, text in enumerate(texts)))

    assert await services.invoke(event) == ALL_DONE

    (line,) = await services.quarantine_lines()
    assert (line["reason"], line["sequence_number"]) == ("catalog_refused", sequence(2))
    assert base64.b64decode(line["data_base64"]) == texts[2].encode()
    rows = await services.database.fetch("SELECT product_id FROM products ORDER BY 1")
    assert [row["product_id"] for row in rows] == ["a", "b", "c"]
    assert len(await services.archive_lines()) == 4


async def test_an_unexpected_database_error_fails_the_invocation(services: Services) -> None:
    await services.database.execute("ALTER TABLE products RENAME COLUMN price TO cost")
    with pytest.raises(Exception, match='column "price"'):
        await services.invoke(kinesis_event(kinesis_record(REFERENCE)))
    assert len(await services.archive_lines()) == 1


async def test_with_a_missing_archive_bucket_the_first_record_is_unfinished(services: Services) -> None:
    await services.account.s3.delete_bucket(Bucket=services.account.archive_bucket)
    event = kinesis_event(kinesis_record("bad", 4), kinesis_record(REFERENCE, 5))
    assert await services.invoke(event) == {"batchItemFailures": [{"itemIdentifier": sequence(4)}]}


async def test_with_a_missing_quarantine_bucket_the_first_bad_record_is_unfinished(
    services: Services,
) -> None:
    await services.account.s3.delete_bucket(Bucket=services.account.quarantine_bucket)
    event = kinesis_event(kinesis_record(REFERENCE, 4), kinesis_record("bad", 5))
    assert await services.invoke(event) == {"batchItemFailures": [{"itemIdentifier": sequence(5)}]}
    assert await services.row("product123") is not None


async def test_the_schedule_drains_pending_invalidations(services: Services) -> None:
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a'), ('b')")
    await services.redis.mset({"product:a": "old", "lease:b": "x", "product:c": "good"})
    answer = await services.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})
    assert answer == {"pending_invalidations_drained": 2}
    assert await services.pending() == set()
    assert await services.redis.keys("*") == ["product:c"]


async def test_without_the_cache_the_schedule_succeeds_and_removes_nothing(services: Services) -> None:
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a')")
    services.account.variables["REDIS_PORT"] = "1"
    assert await services.invoke({"source": "aws.events"}) == {"pending_invalidations_drained": 0}
    assert await services.pending() == {"a"}


async def test_the_next_batch_drains_pending_invalidations(services: Services) -> None:
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a')")
    await services.redis.set("product:a", "old")
    assert await services.invoke(kinesis_event(kinesis_record(REFERENCE))) == ALL_DONE
    assert await services.pending() == set()
    assert await services.redis.keys("*") == []


async def test_an_event_of_another_source_is_refused(services: Services) -> None:
    with pytest.raises(EventError, match="aws:sqs"):
        await services.invoke({"Records": [kinesis_record(REFERENCE) | {"eventSource": "aws:sqs"}]})


async def test_a_wrong_setting_is_named(services: Services) -> None:
    with environment_variables({"REDIS_PORT": "redis"}):
        broken = dict(services.account.variables) | {"REDIS_PORT": "redis"}
        services.account.variables.update(broken)
        with pytest.raises(SettingsError, match=r"REDIS_PORT is 'redis'; a whole number from 1 to 65535"):
            await services.invoke(kinesis_event(kinesis_record(REFERENCE)))
