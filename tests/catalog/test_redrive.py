"""`catalog redrive` on real servers: failed batches go through the function once more."""

import json
import re
from datetime import timedelta
from typing import Any

import aioboto3
import pytest

from tests.catalog.conftest import Catalog
from tests.support.failed_batches import FAILED_AT, put_failed_batch, put_object, update_event
from tests.support.real_servers import Services

DONE = ("redrive", "--yes", "--reason", "test", "--json")
OTHER_SHARD = "shardId-000000000009"


async def messages(services: Services) -> list[str]:
    """Return the bodies of the queue's messages."""
    variables = services.account.variables
    session = aioboto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",
        region_name=variables["AWS_REGION"],
    )
    async with session.client("sqs", endpoint_url=variables["AWS_ENDPOINT_URL"]) as sqs:
        found: list[str] = []
        while True:
            answer = await sqs.receive_message(
                QueueUrl=services.account.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            bodies = [message["Body"] for message in answer.get("Messages", [])]
            if not set(bodies) - set(found):
                return found
            found += [body for body in bodies if body not in found]


async def inventory(services: Services) -> list[int]:
    rows = await services.database.fetch("SELECT inventory FROM products ORDER BY 1")
    return [row["inventory"] for row in rows]


async def test_a_dry_run_says_what_would_be_sent(services: Services, catalog: Catalog) -> None:
    key = await put_failed_batch(services, update_event(1, 2), "one")
    await put_failed_batch(services, update_event(3), "two", shard=OTHER_SHARD, condition="RecordAgeExceeded")
    result = await catalog("redrive")
    assert result.exit_code == 0
    assert re.sub(r"first \d+ days", "first 9 days", result.stdout) == (
        "2 failed batches, 3 records\n"
        "arrived from 2026-01-31T08:30:00Z to 2026-01-31T08:30:00Z, the first 9 days ago\n"
        "┏━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┓\n"
        "┃ shard                ┃ condition              ┃ batches ┃ records ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━┩\n"
        "│ shardId-000000000006 │ RecordAgeExceeded      │ 1       │ 1       │\n"
        "│ shardId-000000000006 │ RetryAttemptsExhausted │ 1       │ 2       │\n"
        "└──────────────────────┴────────────────────────┴─────────┴─────────┘\n"
        "the first of them:\n"
        f"  2 records, failed 2026-02-01T08:30:00Z: {key}\n"
        "  1 record, failed 2026-02-01T08:30:00Z: "
        f"{key.replace('shardId-000000000006', OTHER_SHARD).replace('one', 'two')}\n"
    )
    assert result.stderr == "Dry run: nothing was changed. To redrive 2 batches, give --yes.\n"
    assert await inventory(services) == []


async def test_what_succeeded_is_marked_and_loses_its_message(services: Services, catalog: Catalog) -> None:
    await put_failed_batch(services, update_event(1, 2), "a name+with signs")
    result = await catalog(*DONE)
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {
            "batches": 1,
            "records": 2,
            "failures": [],
            "damaged": [],
            "messages_deleted": 1,
            "messages_left": 0,
            "interrupted": False,
        },
    )
    assert await inventory(services) == [1, 2]
    assert [json.loads(body)["Event"] for body in await messages(services)] == ["s3:TestEvent"]
    assert json.loads((await catalog("redrive", "--json")).stdout)["batches"] == 0
    assert json.loads((await catalog("redrive", "--again", "--json")).stdout)["batches"] == 1
    (operation,) = json.loads((await catalog("history", "--json")).stdout)
    assert (operation["command"], operation["state"], operation["reason"]) == ("redrive", "done", "test")
    assert operation["changes"]["records"] == 2


async def test_what_the_function_does_not_finish_stays_as_it_is(services: Services, catalog: Catalog) -> None:
    key = await put_failed_batch(services, update_event(1), "one")
    await services.database.execute("ALTER TABLE products RENAME COLUMN price TO cost")
    result = await catalog(*DONE)
    (failure,) = json.loads(result.stdout)["failures"]
    assert (result.exit_code, failure["key"]) == (1, key)
    assert 'column "price"' in failure["why"]
    assert len(await messages(services)) == 2
    assert json.loads((await catalog("redrive", "--json")).stdout)["batches"] == 1

    await services.database.execute("ALTER TABLE products RENAME COLUMN cost TO price")
    assert (await catalog(*DONE)).exit_code == 0
    assert len(await messages(services)) == 1


async def test_a_partial_response_is_a_failure(services: Services, catalog: Catalog) -> None:
    await put_failed_batch(services, update_event(1), "one")
    await services.account.s3.delete_bucket(Bucket=services.account.archive_bucket)
    (failure,) = json.loads((await catalog(*DONE)).stdout)["failures"]
    assert failure["why"].startswith("unfinished from sequence number 4959")


CHOICES = [
    (("--condition", "RecordAgeExceeded"), 1),
    (("--condition", "RecordAgeExceeded", "--condition", "RetryAttemptsExhausted"), 3),
    (("--shard", OTHER_SHARD), 1),
    (("--since", "2026-02-01T09:00:00Z"), 1),
    (("--until", "2026-02-01T09:00:00Z"), 2),
    (("--since", "1d"), 0),
    (("--limit", "2"), 2),
]


async def test_a_condition_that_does_not_exist_is_no_all_clear(catalog: Catalog) -> None:
    result = await catalog("redrive", "--condition", "Retry")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no condition 'Retry'; accepted: RetryAttemptsExhausted, ")


async def test_batches_are_chosen(services: Services, catalog: Catalog) -> None:
    await put_failed_batch(services, update_event(1), "one")
    later = FAILED_AT + timedelta(hours=1)
    await put_failed_batch(services, update_event(2), "two", condition="RecordAgeExceeded", at=later)
    await put_failed_batch(services, update_event(3), "three", shard=OTHER_SHARD)
    for options, batches in CHOICES:
        result = await catalog("redrive", "--json", *options)
        assert json.loads(result.stdout)["batches"] == batches, options


DAMAGED: list[tuple[bytes, str]] = [
    (b"\xff{", "not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    (b"[" * 100_000, "not JSON: maximum recursion depth exceeded"),
    (b"[]", "no member payload"),
    (b'{"version": "1.0"}', "no member payload"),
    (b'{"payload": {"Records": []}}', "payload is not a text, but dict"),
    (b'{"payload": "{"}', "payload is not JSON"),
    (b'{"payload": "{\\"Records\\": []}"}', "payload has no records"),
    (
        b'{"payload": "{\\"Records\\": [{\\"eventSource\\": \\"aws:sqs\\"}]}"}',
        "payload: record 1 of the event",
    ),
    (b'{"payload": "\\ud800"}', "payload is not JSON: 'utf-8' codec can't encode"),
]


async def test_damaged_objects_are_findings(services: Services, catalog: Catalog) -> None:
    for number, (body, _) in enumerate(DAMAGED):
        await put_object(services, f"aws/lambda/{number}", body)
    await put_failed_batch(services, update_event(1), "one")
    result = await catalog(*DONE)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["batches"]) == (1, 1)
    for (_, problem), found in zip(DAMAGED, document["damaged"], strict=True):
        assert problem in found["problem"]
    lines = (await catalog("redrive")).stdout.splitlines()
    assert len([line for line in lines if line.startswith("damaged: aws/lambda/")]) == len(DAMAGED)


async def test_a_hostile_key_does_not_reach_the_terminal(services: Services, catalog: Catalog) -> None:
    await put_object(services, "aws/lambda/[red]\x1b]0;title\x07", b"{}")
    assert (
        "damaged: aws/lambda/[red]\\x1b]0;title\\x07: no member payload" in (await catalog("redrive")).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--yes",), "error: --yes needs --reason"),
        (("--since", "yesterday"), "error: --since is 'yesterday'; accepted, in UTC if without offset: "),
        (("--since", "1h", "--until", "2h"), "error: --since 1h is not earlier than --until 2h"),
    ],
)
async def test_wrong_options_are_named(catalog: Catalog, arguments: Any, message: str) -> None:
    result = await catalog("redrive", *arguments)
    assert (result.exit_code, result.stderr.startswith(message)) == (2, True)
