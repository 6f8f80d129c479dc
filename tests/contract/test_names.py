"""Names and prefixes that both sides define agree, on AWS and in the emulated account."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from local.demo.pipeline import SCHEDULED_EVENT
from local.emulated_aws.account import APPLICATION_ROLE, FAILED_BATCHES_PREFIX, READER_ROLE
from local.emulated_aws.event_source_mapping.payload import failure_key
from processor.cache_keys import CACHE_TIME_TO_LIVE_SECONDS
from processor.s3_objects import ARCHIVE_PREFIX, QUARANTINE_PREFIX, SURVIVORS_PREFIX
from tests.support.deployed_functions import (
    ACCOUNT_ID,
    ENVIRONMENTS_BY_STACK,
    STACK_IDS,
    block_of,
    bucket,
    processor,
    references,
    resolved,
    secret_of_role,
    sibling,
)
from tests.support.real_servers import Services
from tests.support.synthesized import Stack


async def notification(services: Services) -> Any:
    """Return the notification configuration of the emulated quarantine bucket."""
    answer = await services.account.s3.get_bucket_notification_configuration(
        Bucket=services.account.quarantine_bucket
    )
    (configured,) = answer["QueueConfigurations"]
    return configured


def physical_names(stack: Stack) -> dict[str, str]:
    """Return the names of those resources that the emulated account has too."""
    variables = processor(stack).variables
    return {
        "stream": stack.only("aws_kinesis_stream")["name"],
        "archive": resolved(stack, variables["ARCHIVE_BUCKET"]),
        "quarantine": resolved(stack, variables["QUARANTINE_BUCKET"]),
        "queue": stack.only("aws_sqs_queue")["name"],
        **{
            role: secret_name(resolved(stack, secret_of_role(stack, role)))
            for role in (APPLICATION_ROLE, READER_ROLE)
        },
    }


def secret_name(arn: str) -> str:
    """Return a secret's name: in its ARN, AWS adds a hyphen and six characters."""
    return arn.split(":")[-1][:-7]


def base_name(name: str, suffix: str) -> str:
    """Return a name without its end and without the account; the end must be there."""
    assert name.endswith(f"-{suffix}"), name
    return name.removesuffix(f"-{suffix}").replace(f"-{ACCOUNT_ID}", "")


def scheduled_event(rule_name: str) -> dict[str, Any]:
    """Return the event that EventBridge sends for a schedule."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": "2026-01-31T08:30:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:{ACCOUNT_ID}:rule/{rule_name}"],
        "detail": {},
    }


def bucket_arn(stack: Stack, base_name: str) -> str:
    """Return the reference to a bucket's ARN."""
    return sibling(bucket(stack, base_name), "arn")


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_objects_are_written_where_the_role_may(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    archive = bucket_arn(stack, "product-inventory-archive")
    quarantine = bucket_arn(stack, "inventory-quarantine")
    written = [
        resource
        for statement in processor(stack).statements
        if statement["actions"] == ["s3:PutObject"]
        for resource in statement["resources"]
    ]
    assert sorted(written) == sorted(
        [
            f"{archive}/{ARCHIVE_PREFIX}*",
            f"{quarantine}/{QUARANTINE_PREFIX}*",
            f"{quarantine}/{SURVIVORS_PREFIX}*",
            f"{quarantine}/{FAILED_BATCHES_PREFIX}*",
        ]
    )


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_queue_is_notified_of_failed_batches_and_nothing_else(
    stacks: dict[str, Stack], stack_id: str
) -> None:
    (notified,) = stacks[stack_id].only("aws_s3_bucket_notification")["queue"]
    key = failure_key("mapping", "shardId-000000000000", datetime(2026, 1, 1, tzinfo=UTC), "random")
    assert key.startswith(notified["filter_prefix"])
    assert notified["filter_prefix"] == FAILED_BATCHES_PREFIX
    assert "filter_suffix" not in notified
    assert not QUARANTINE_PREFIX.startswith(notified["filter_prefix"])
    assert not notified["filter_prefix"].startswith(QUARANTINE_PREFIX)


async def test_the_emulated_account_has_the_same_notification(
    stacks: dict[str, Stack], services: Services
) -> None:
    configured = await notification(services)
    (rule,) = configured["Filter"]["Key"]["FilterRules"]
    for stack in stacks.values():
        (notified,) = stack.only("aws_s3_bucket_notification")["queue"]
        assert (rule["Name"].lower(), rule["Value"]) == ("prefix", notified["filter_prefix"])
        assert configured["Events"] == notified["events"]


async def test_the_emulated_account_names_things_alike(stacks: dict[str, Stack], services: Services) -> None:
    """Check all but the environment, and the account in the names of buckets."""
    suffix = services.account.variables["ENVIRONMENT_SUFFIX"]
    queue_arn = (await notification(services))["QueueArn"]
    names = {
        "stream": services.account.stream_name,
        "archive": services.account.archive_bucket,
        "quarantine": services.account.quarantine_bucket,
        "queue": queue_arn.split(":")[-1],
        APPLICATION_ROLE: secret_name(services.account.variables["DB_SECRET_ARN"]),
        READER_ROLE: secret_name(services.account.variables["DB_READER_SECRET_ARN"]),
    }
    for stack_id, stack in stacks.items():
        end = ENVIRONMENTS_BY_STACK[stack_id].name
        deployed = {kind: base_name(name, end) for kind, name in physical_names(stack).items()}
        assert deployed == {kind: base_name(name, suffix) for kind, name in names.items()}


async def test_the_processor_takes_the_schedule_for_a_drain(
    stacks: dict[str, Stack], services: Services
) -> None:
    """Source: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-scheduled-events.html."""
    for number, stack in enumerate(stacks.values()):
        target = stack.only("aws_cloudwatch_event_target")
        rule = block_of(stack, target["rule"])
        # With any other argument the function would get a different event.
        assert set(target) <= {"//", "rule", "target_id", "arn", "depends_on"}
        assert block_of(stack, target["arn"]) is processor(stack).block
        assert "event_pattern" not in rule
        event = scheduled_event(rule["name"])
        assert SCHEDULED_EVENT.items() <= event.items()
        await services.database.execute(
            "INSERT INTO pending_invalidation (product_id) VALUES ($1)", f"product {number}"
        )
        assert await services.invoke(event) == {"pending_invalidations_drained": 1}


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_pending_invalidations_are_drained_well_before_values_expire(
    stacks: dict[str, Stack], stack_id: str
) -> None:
    rule = stacks[stack_id].only("aws_cloudwatch_event_rule")
    found = re.fullmatch(r"rate\((\d+) minutes?\)", rule["schedule_expression"])
    assert found
    assert int(found[1]) * 60 <= CACHE_TIME_TO_LIVE_SECONDS / 2


async def test_the_migrations_give_each_role_only_its_group(
    stacks: dict[str, Stack], services: Services
) -> None:
    """Check the roles that the stacks' secrets name: `secret_of_role` finds one for each."""
    for stack in stacks.values():
        assert secret_of_role(stack, APPLICATION_ROLE) != secret_of_role(stack, READER_ROLE)
    rows = await services.database.fetch(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members "
        "WHERE member::regrole::text = ANY ($1)",
        [APPLICATION_ROLE, READER_ROLE],
    )
    assert {tuple(row) for row in rows} == {
        (APPLICATION_ROLE, "catalog_writer"),
        (READER_ROLE, "catalog_reader"),
    }


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_outputs_name_those_secrets(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    outputs = {name: output["value"] for name, output in stack.document["output"].items()}
    ((administrator, _),) = references(stack, "aws_db_instance", "master_user_secret[0].secret_arn")
    assert outputs["ProcessorSecretArn"] == secret_of_role(stack, APPLICATION_ROLE)
    assert outputs["ReaderSecretArn"] == secret_of_role(stack, READER_ROLE)
    assert outputs["AdministratorSecretArn"] == administrator
