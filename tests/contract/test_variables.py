"""The environment variables that stacks/ sets are those that processor/ reads, with the right meaning."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import asyncpg
import pytest

from local.emulated_aws.account import APPLICATION_ROLE, READER_ROLE
from processor import migrate
from processor.adapters.postgres import Login
from processor.adapters.secrets import login_source
from processor.errors import PipelineError
from processor.settings import (
    RDS_ROOTS,
    DatabaseSettings,
    RedisIamUser,
    RedisSettings,
    Settings,
    read_database_settings,
    read_settings,
)
from tests.support.deployed_functions import (
    ENVIRONMENTS_BY_STACK,
    STACK_IDS,
    block_of,
    bucket,
    migrations,
    processor,
    references,
    resolved,
    secret_of_role,
)
from tests.support.real_servers import Services, environment_variables
from tests.support.synthesized import Stack

# What a failed start or connection may raise.
START_ERRORS = (PipelineError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Variables(Mapping[str, str]):
    """Environment variables that record which of them were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def deployed_variables(stack: Stack, variables: Mapping[str, str]) -> Variables:
    """Return the variables as the function finds them, without those that Lambda adds."""
    return Variables({name: resolved(stack, text) for name, text in variables.items()})


def database_settings(stack: Stack, secret: str, *, pool_size: int) -> DatabaseSettings:
    """Return the settings for the stack's database, with the login in `secret`."""
    ((address, instance),) = references(stack, "aws_db_instance", "address")
    return DatabaseSettings(
        secret_arn=resolved(stack, secret),
        host=resolved(stack, address),
        port=instance["port"],
        name=instance["db_name"],
        ca_file=RDS_ROOTS,
        pool_size=pool_size,
    )


def redis_settings(stack: Stack) -> RedisSettings:
    """Return the settings for the stack's cache."""
    ((host, group),) = references(stack, "aws_elasticache_replication_group", "primary_endpoint_address")
    (user,) = [
        block
        for _, block in references(stack, "aws_elasticache_user", "arn")
        if "+unlink" in block["access_string"]
    ]
    assert (group["transit_encryption_enabled"], user["authentication_mode"]) == (True, {"type": "iam"})
    return RedisSettings(
        host=resolved(stack, host),
        port=group["port"],
        tls=True,
        login=RedisIamUser(username=user["user_name"], cluster_id=group["replication_group_id"]),
    )


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_processor_reads_what_the_stack_means(stacks: dict[str, Stack], stack_id: str) -> None:
    stack, config = stacks[stack_id], ENVIRONMENTS_BY_STACK[stack_id]
    variables = deployed_variables(stack, processor(stack).variables)
    assert read_settings(variables) == Settings(
        database=database_settings(
            stack, secret_of_role(stack, APPLICATION_ROLE), pool_size=config.function.pool_size
        ),
        redis=redis_settings(stack),
        archive_bucket=resolved(stack, bucket(stack, "product-inventory-archive")),
        quarantine_bucket=resolved(stack, bucket(stack, "inventory-quarantine")),
        environment_suffix=config.name,
        region=config.region,
        endpoint_url=None,
    )
    unread = set(variables) - variables.asked
    assert not unread, f"set, and never read: {unread}"
    # The stacks set what they decide, even where it equals the processor's default.
    assert "DB_POOL_SIZE" in processor(stack).variables


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_migrations_read_what_the_stack_means(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    variables = migrations(stack).variables
    ((administrator, instance),) = references(stack, "aws_db_instance", "master_user_secret[0].secret_arn")
    assert instance["manage_master_user_password"]
    settings = read_database_settings(deployed_variables(stack, variables), "DB_ADMIN_SECRET_ARN")
    assert settings == database_settings(stack, administrator, pool_size=settings.pool_size)
    assert variables["DB_SECRET_ARN"] == secret_of_role(stack, APPLICATION_ROLE)
    assert variables["DB_READER_SECRET_ARN"] == secret_of_role(stack, READER_ROLE)


@pytest.mark.parametrize("role", [APPLICATION_ROLE, READER_ROLE])
@pytest.mark.parametrize("stack_id", STACK_IDS)
async def test_a_secret_alone_is_a_login_and_agrees_with_the_variables(
    stacks: dict[str, Stack], stack_id: str, role: str
) -> None:
    stack = stacks[stack_id]
    secret = secret_of_role(stack, role)
    settings = database_settings(stack, secret, pool_size=1)
    ((address, _),) = references(stack, "aws_db_instance", "address")
    (version,) = [
        block
        for _, block in references(stack, "aws_secretsmanager_secret_version", "arn")
        if block_of(stack, block["secret_id"]) is block_of(stack, secret)
    ]
    text = version["secret_string_wo"].replace(address, resolved(stack, address))

    async def ask_secret(arn: str) -> dict[str, object]:
        assert arn == settings.secret_arn
        members: dict[str, object] = json.loads(text)
        return members

    no_variables = replace(settings, host=None, port=None, name=None)
    logins = [await login_source(each, ask_secret)() for each in (settings, no_variables)]
    assert logins[0] == logins[1]
    assert isinstance(logins[0], Login)
    assert logins[0].user == role
    assert logins[0].password.startswith("${ephemeral.")


async def test_the_migrations_need_every_variable_and_no_other(
    stacks: dict[str, Stack], services: Services
) -> None:
    """Check with the test services' values: without any one of them the outcome differs."""
    (names,) = {frozenset(migrations(stack).variables) for stack in stacks.values()}
    # The machine may have such variables itself; for the function, an empty one is missing.
    absent = {name: "" for name in services.account.variables if name.startswith(("DB_", "REDIS_"))}

    async def outcome(present: frozenset[str]) -> object:
        kept = {name: services.account.variables[name] for name in present}
        with environment_variables({**services.account.variables, **absent, **kept}):
            try:
                return await asyncio.to_thread(migrate.handler, {}, None)
            except START_ERRORS as error:
                return repr(error)

    complete = await outcome(names)
    assert isinstance(complete, dict), complete
    assert (complete["application_role"], complete["reader_role"]) == (APPLICATION_ROLE, READER_ROLE)
    unread = {name for name in names if await outcome(names - {name}) == complete}
    assert not unread, f"set, and never read: {unread}"
