"""The roles allow exactly what the functions request from AWS, as recorded from real runs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aioboto3
import asyncpg
import pytest
from aiobotocore.config import AioConfig
from botocore.credentials import ReadOnlyCredentials

from local.emulated_aws.account import REGION, Account
from local.emulated_aws.event_source_mapping import EventSourceMapping, FunctionError, SystemClock
from local.emulated_aws.event_source_mapping.aws_adapters import KinesisStream, S3FailureDestination
from local.servers import Servers
from processor import migrate
from processor.adapters.redis_login import iam_token
from tests.support.deployed_functions import (
    ACCOUNT_ID,
    STACK_IDS,
    Function,
    block_of,
    migrations,
    processor,
    references,
    resolved,
    sibling,
    statements,
)
from tests.support.deployed_mapping import mapping_settings
from tests.support.events import SHARD, kinesis_event, kinesis_record, sequence
from tests.support.iam_policies import NO_CONTEXT, Grant, Policy, policy
from tests.support.real_servers import ALL_DONE, Services, environment_variables, open_services, until
from tests.support.recording_proxy import Use, recorded
from tests.support.synthesized import Stack

GOOD = '{"product_id": "a", "inventory": 1}'
SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

EVERY_FUNCTION = {
    "ec2:AssignPrivateIpAddresses": "Lambda attaches the function to the network",
    "ec2:CreateNetworkInterface": "Lambda attaches the function to the network",
    "ec2:DeleteNetworkInterface": "Lambda attaches the function to the network",
    "ec2:DescribeNetworkInterfaces": "Lambda attaches the function to the network",
    "ec2:DescribeSubnets": "Lambda attaches the function to the network",
    "ec2:UnassignPrivateIpAddresses": "Lambda attaches the function to the network",
    "logs:CreateLogStream": "Lambda writes what the function prints",
    "logs:PutLogEvents": "Lambda writes what the function prints",
    "xray:PutTelemetryRecords": "Lambda traces invocations",
    "xray:PutTraceSegments": "Lambda traces invocations",
}
PROCESSOR_ALONE = {
    "kinesis:DescribeStream": "Lambda checks the stream when the mapping is made",
    "kinesis:DescribeStreamSummary": "Lambda checks the stream when the mapping is made",
}


@dataclass(frozen=True, kw_only=True)
class Used:
    """What each function requested, and in which account."""

    account: Account
    processor: frozenset[Use]
    migrations: frozenset[Use]
    service: frozenset[Use]


class Failing:
    """A function that always fails."""

    async def invoke(self, event: Mapping[str, object]) -> object:
        del event
        raise FunctionError("refused by the test")


@pytest.fixture(scope="module")
async def used(servers: Servers, stacks: dict[str, Stack]) -> AsyncIterator[Used]:
    """Yield the requests of a migration, some batches, a drain, and a mapping that discards a batch."""
    endpoint_url = servers.moto.endpoint_url
    async with (
        open_services(servers) as services,
        recorded(endpoint_url) as of_processor,
        recorded(endpoint_url) as of_migrations,
        recorded(endpoint_url) as of_service,
    ):
        await run_migrations(behind(services, of_migrations.url))
        await run_processor(behind(services, of_processor.url))
        await run_mapping(services.account, stacks["prod-stack"], of_service.url)
        yield Used(
            account=services.account,
            processor=of_processor.uses,
            migrations=of_migrations.uses,
            service=of_service.uses,
        )


def behind(services: Services, url: str) -> Services:
    """Return the same services with AWS behind a proxy."""
    variables = {**services.account.variables, "AWS_ENDPOINT_URL": url}
    return replace(services, account=replace(services.account, variables=variables))


async def run_migrations(services: Services) -> None:
    """Deploy once more."""
    with environment_variables(services.account.variables):
        await asyncio.to_thread(migrate.handler, {}, None)


async def run_processor(services: Services) -> None:
    """Run a cold start with good and bad records, the same batch again, a killer, an outage and a drain."""
    event = kinesis_event(kinesis_record(GOOD, 0), kinesis_record("garbage", 1))
    assert await services.invoke(event) == ALL_DONE
    assert await services.invoke(event) == ALL_DONE
    killer = kinesis_event(kinesis_record(GOOD, 2))
    await services.database.execute(
        "INSERT INTO processing_attempt (shard, sequence_number, process_id) "
        f"SELECT '{SHARD}', '{sequence(2)}', generate_series(1, 3)"
    )
    assert await services.invoke(killer) == ALL_DONE
    await services.database.execute("REVOKE DELETE ON processing_attempt FROM catalog_writer")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await services.invoke(killer)
    await services.database.execute("GRANT DELETE ON processing_attempt TO catalog_writer")
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a')")
    assert await services.invoke(SCHEDULE) == {"pending_invalidations_drained": 1}


async def run_mapping(account: Account, stack: Stack, url: str) -> None:
    """Let the deployed mapping read a record that the function fails on, and store it as a failed batch."""
    declared = stack.only("aws_lambda_event_source_mapping")
    settings = mapping_settings(
        declared, stream_arn=account.stream_arn, function_arn="function", role_arn="role"
    )
    # Otherwise the test would wait until the record is too old.
    at_once = replace(
        settings, maximum_retry_attempts=0, maximum_batching_window_in_seconds=0, poll_interval_seconds=0.01
    )
    await account.kinesis.put_record(StreamName=account.stream_name, Data=b"any", PartitionKey="any")
    session = aioboto3.Session("local", "local", region_name=REGION)
    options: dict[str, Any] = {
        "endpoint_url": url,
        "config": AioConfig(s3={"addressing_style": "path"}),
    }
    async with session.client("kinesis", **options) as kinesis, session.client("s3", **options) as s3:
        mapping = EventSourceMapping(
            at_once,
            stream=KinesisStream(kinesis, account.stream_arn),
            function=Failing(),
            failures=S3FailureDestination(s3, account.quarantine_bucket),
            clock=SystemClock(),
            new_id=lambda: str(uuid.uuid4()),
        )

        async def discarded() -> int:
            return mapping.progress.records_discarded

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(mapping.run())
            await until(discarded)
            mapping.stop()
            await running


def names_in(stack: Stack, account: Account) -> dict[str, str]:
    """Return the names that the stack's references have in the test's account.

    They are joined through the functions' environment variables and the event source mapping. A function may
    use only what it is given there; nothing else has a name.
    """
    names = {"${data.aws_caller_identity.Account.account_id}": ACCOUNT_ID}
    names |= {f"${{data.aws_partition.{id_}.partition}}": "aws" for id_ in stack.all("aws_partition")}
    for function in (processor(stack), migrations(stack)):
        names[function.block["role"]] = role_arn(stack, function)
        for variable, reference in function.variables.items():
            if reference.startswith("${") and variable in account.variables:
                names[reference] = account.variables[variable]
    for reference, name in tuple(names.items()):
        if reference.startswith("${aws_s3_bucket."):
            names[sibling(reference, "arn")] = f"arn:aws:s3:::{name}"
    names[stack.only("aws_lambda_event_source_mapping")["event_source_arn"]] = account.stream_arn
    return names


def uses_of_cache(stack: Stack) -> frozenset[Use]:
    """Return what the processor's passwords for the cache, which are presigned requests, request."""
    variables = processor(stack).variables
    user, cluster = variables["REDIS_USERNAME"], variables["REDIS_CLUSTER_ID"]
    token = iam_token(
        ReadOnlyCredentials("key", "secret", None),
        username=resolved(stack, user),
        cluster_id=resolved(stack, cluster),
        region=REGION,
    )
    query = parse_qs(urlsplit(f"//{token}").query)
    service = query["X-Amz-Credential"][0].split("/")[3]
    action = f"{service}:{query['Action'][0].capitalize()}"
    return frozenset(Use(action, sibling(reference, "arn")) for reference in (user, cluster))


def role_of(stack: Stack, function: Function, used: Used) -> Policy:
    """Return what a function's role allows, with the names of the test's account."""
    return policy(function.statements, names_in(stack, used.account))


def unused(granted: set[Grant], uses: frozenset[Use]) -> set[str]:
    """Return the actions of grants that no use needs."""
    return {grant.action for grant in granted if not any(grant.covers(use) for use in uses)}


def role_arn(stack: Stack, function: Function) -> str:
    """Return the ARN that AWS gives a function's role."""
    return f"arn:aws:iam::{ACCOUNT_ID}:role/{block_of(stack, function.block['role'])['name']}"


def signed_by(arn: str, *, account_id: str = ACCOUNT_ID) -> dict[str, str]:
    """Return the context of a request; of an assumed role's session the ARN is the role's.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    return {"aws:PrincipalAccount": account_id, "aws:PrincipalArn": arn}


def endpoint(stack: Stack, service: str, used: Used) -> Policy:
    """Return what the private network's endpoint of a service allows."""
    (found,) = [
        block["policy"]
        for _, block in references(stack, "aws_vpc_endpoint", "policy")
        if block["service_name"].endswith(f".{service}")
    ]
    return policy(statements(stack, found), names_in(stack, used.account))


def test_the_recording_saw_what_it_should(used: Used) -> None:
    """Check the recording, without which the tests below mean nothing."""
    variables = used.account.variables
    assert {use.action for use in used.processor} == {
        "s3:PutObject",
        "s3:ListBucket",
        "secretsmanager:GetSecretValue",
    }
    assert {use.resource.split("/")[0] for use in used.processor if use.action == "s3:PutObject"} == {
        f"arn:aws:s3:::{used.account.archive_bucket}",
        f"arn:aws:s3:::{used.account.quarantine_bucket}",
    }
    assert used.migrations == {
        Use("secretsmanager:GetSecretValue", variables[name])
        for name in ("DB_ADMIN_SECRET_ARN", "DB_SECRET_ARN", "DB_READER_SECRET_ARN")
    }
    assert {use.action for use in used.service} == {
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "s3:PutObject",
    }


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_roles_allow_what_is_used(stacks: dict[str, Stack], used: Used, stack_id: str) -> None:
    stack = stacks[stack_id]
    of_processor = role_of(stack, processor(stack), used)
    # Lambda reads the stream and keeps failed batches with the function's role.
    for use in used.processor | used.service | uses_of_cache(stack):
        assert of_processor.allows(use), use
    of_migrations = role_of(stack, migrations(stack), used)
    for use in used.migrations:
        assert of_migrations.allows(use), use


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_roles_allow_nothing_else(stacks: dict[str, Stack], used: Used, stack_id: str) -> None:
    stack = stacks[stack_id]
    of_processor = role_of(stack, processor(stack), used).grants()
    uses = used.processor | used.service | uses_of_cache(stack)
    assert unused(of_processor, uses) == set(EVERY_FUNCTION | PROCESSOR_ALONE)
    of_migrations = role_of(stack, migrations(stack), used).grants()
    assert unused(of_migrations, used.migrations) == set(EVERY_FUNCTION)


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_lambda_may_use_a_role_only_for_our_resources(
    stacks: dict[str, Stack], used: Used, stack_id: str
) -> None:
    stack = stacks[stack_id]
    for function in (processor(stack), migrations(stack)):
        group = sibling(function.block["logging_config"]["log_group"], "arn")
        wanted = {
            "logs": f"{group}:*",
            "kinesis": used.account.stream_arn,
            "s3": f"arn:aws:s3:::{used.account.quarantine_bucket}",
        }
        for grant in role_of(stack, function, used).grants():
            service = grant.action.split(":")[0]
            if grant.action in EVERY_FUNCTION | PROCESSOR_ALONE:
                assert grant.resource == wanted.get(service, "*"), grant


@pytest.mark.parametrize("service", ["s3", "secretsmanager"])
@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_endpoints_allow_the_functions_what_they_use_and_nothing_else(
    stacks: dict[str, Stack], used: Used, stack_id: str, service: str
) -> None:
    """Check the functions' uses: they reach S3 and Secrets Manager only there; Lambda itself does not."""
    stack = stacks[stack_id]
    through = endpoint(stack, service, used)
    uses = used.processor | used.migrations
    asked = frozenset(use for use in uses if use.action.startswith(f"{service}:"))
    assert {use.action.split(":")[0] for use in uses} == {"s3", "secretsmanager"}
    for function, own in ((processor(stack), used.processor), (migrations(stack), used.migrations)):
        context = signed_by(role_arn(stack, function))
        for use in asked & own:
            assert through.allows(use, context), use
        assert unused(through.grants(context), asked) == set()


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_endpoints_are_free_for_others_of_the_account_and_closed_to_other_accounts(
    stacks: dict[str, Stack], used: Used, stack_id: str
) -> None:
    stack = stacks[stack_id]
    shop = signed_by(f"arn:aws:iam::{ACCOUNT_ID}:role/shop")
    stolen = signed_by("arn:aws:iam::999999999999:user/somebody", account_id="999999999999")
    for use in (
        Use("s3:GetObject", "arn:aws:s3:::images-of-the-shop/1.png"),
        Use("s3:PutObject", "arn:aws:s3:::a-partner-of-the-shop/orders.csv"),
        Use("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:of-the-shop"),
        Use("secretsmanager:ListSecrets", "*"),
        *used.processor,
    ):
        through = endpoint(stack, use.action.split(":")[0], used)
        assert through.allows(use, shop), use
        assert not through.allows(use, stolen), use
        assert not through.allows(use, NO_CONTEXT), use


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_services_may_read_from_aws_s_own_buckets(
    stacks: dict[str, Stack], used: Used, stack_id: str
) -> None:
    """Those reads are anonymous, or signed by an account of AWS."""
    stack = stacks[stack_id]
    through = endpoint(stack, "s3", used)
    aws = signed_by("arn:aws:iam::111111111111:role/ecr", account_id="111111111111")
    for bucket in ("prod-us-east-1-starport-layer-bucket", "al2023-repos-us-east-1-de612dc2"):
        for context in (NO_CONTEXT, aws):
            assert through.allows(Use("s3:GetObject", f"arn:aws:s3:::{bucket}/1"), context)
            assert not through.allows(Use("s3:PutObject", f"arn:aws:s3:::{bucket}/1"), context)
        ours = signed_by(role_arn(stack, processor(stack)))
        assert not through.allows(Use("s3:GetObject", f"arn:aws:s3:::{bucket}/1"), ours)
    # Anybody could have such a name.
    for bucket in ("prod-us-east-1-starport-layer-bucket-2", "al2023-repos-us-east-1-mine"):
        assert not through.allows(Use("s3:GetObject", f"arn:aws:s3:::{bucket}/1"), NO_CONTEXT)
