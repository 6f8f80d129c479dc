"""Operators' policies allow what the program `catalog` requests from AWS, as recorded from real runs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from catalog.app import app
from local.servers import Servers
from tests.support.catalog_on_aws import catalog_on_aws, members_in_test, names_in_test
from tests.support.deployed_functions import STACK_IDS, Block, block_of, statements
from tests.support.documents import document, names_in
from tests.support.events import kinesis_event, kinesis_record
from tests.support.failed_batches import put_failed_batch, update_event
from tests.support.iam_policies import grants, policy
from tests.support.real_servers import ALL_DONE, open_services
from tests.support.recording_proxy import Use
from tests.support.synthesized import Stack

GOOD = '{"product_id": "a", "inventory": 1}'
BAD = '{"product_id": "b", "price": 1.999}'
YES = ("--yes", "--reason", "a test")
MEND = ("--rule", "price: round to 2 decimals")
READ, REDRIVE, REPLAY = (f"Operator{kind}PolicyArn" for kind in ("Read", "Redrive", "Replay"))
PRODUCE = "ProducerPolicyArn"

# By the output that has the policy, as in docs/operating.md; the others' roles have READ, too. Each is run
# after the one before: a replay writes down what `history` reads.
COMMANDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    REPLAY: (
        ("replay", "--workers", "1"),
        ("replay", "--workers", "1", *YES),
        ("replay", "--workers", "1", "--into", "friday", *YES),
    ),
    READ: (
        ("status",),
        ("show", "a", "--as-shop"),
        ("explain", "a"),
        ("quarantine", "list"),
        ("quarantine", "show", "{record}"),
        ("quarantine", "fix", *MEND),
        ("quarantine", "redrive"),
        ("redrive",),
        ("archive", "verify"),
        ("archive", "compact-report"),
        ("archive", "sql", "SELECT count(*) FROM archive"),
        ("archive", "sql", "--athena", "SELECT 1 FROM archive"),
        ("diff", "--workers", "1"),
        ("history",),
    ),
    REDRIVE: (
        ("redrive", *YES),
        ("quarantine", "fix", *MEND, *YES),
        ("quarantine", "redrive", "{record}", *YES),
    ),
    PRODUCE: (("produce", "-"),),
}
NEEDS_NO_ENVIRONMENT = {"capacity"}
# Ends with Ctrl-C only; its page asks for what `status`, `show`, `explain`, `diff` and others of READ do.
SERVES_A_PAGE = {"console"}
CACHE_USERS = {READ: "cache_user", REPLAY: "cache_writer_user"}
# The name of a statement → its actions that no command requests.
UNUSED: Mapping[str, Mapping[str, set[str]]] = {
    READ: {
        # When a query is interrupted.
        "AskAthena": {"athena:StopQueryExecution"},
        # Athena requests these with the rights of who asks; moto's does not.
        "FindTables": {"glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"},
        "FindResults": {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
        "WriteResults": {
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        },
    },
    # Suppliers put one record, too, and the Kinesis Producer Library looks at the shards.
    PRODUCE: {"PutRecords": {"kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecord"}},
}


@dataclass(frozen=True, kw_only=True)
class Used:
    """What the commands for each policy used, and the names in the test."""

    members: dict[str, Any]
    by_policy: dict[str, set[Use]]


@pytest.fixture(scope="module")
async def used(servers: Servers, stacks: dict[str, Stack], tmp_path_factory: pytest.TempPathFactory) -> Used:
    """Run every command, for a good record, one in quarantine and a failed batch."""
    by_policy = {}
    async with open_services(servers) as services:
        members = members_in_test(services, servers, stacks["dev-stack"])
        event = kinesis_event(kinesis_record(GOOD, 0), kinesis_record(BAD, 1))
        assert await services.invoke(event) == ALL_DONE
        await put_failed_batch(services, update_event(2), "one")
        for name, commands in COMMANDS.items():
            folder, user = tmp_path_factory.mktemp("cache"), CACHE_USERS.get(name)
            await services.redis.set("product:a", "old")
            async with catalog_on_aws(members, services, servers, folder, cache_user=user) as (run, uses):
                listed = await run("quarantine", "list", "--json", "--again")
                (record,) = json.loads(listed.stdout)["newest"]
                for command in commands:
                    words = (word.replace("{record}", record["id"]) for word in command)
                    result = await run(*words, stdin=GOOD)
                    assert result.exit_code == 0, (command, result.output, result.exception)
            if name == REPLAY:
                assert await services.redis.exists("product:a") == 0, "the cache's user may not delete"
            by_policy[name] = uses
        assert await services.pending() == set()
    return Used(members=members, by_policy=by_policy)


def named_statements(stack: Stack, output: str, used: Used) -> tuple[Block, ...]:
    """Return a policy's statements with the names of the test; references without one stay."""
    attached = block_of(stack, stack.document["output"][output]["value"])
    return policy(statements(stack, attached["policy"]), names_in_test(stack, used.members)).statements


def commands_of(group: Any, *path: str) -> Iterator[str]:
    """Yield the name of every command, with the names of the groups that it is in."""
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands_of(command, *path, name)
        else:
            yield " ".join((*path, name))


def test_every_command_is_run() -> None:
    run = [" ".join(command) for commands in COMMANDS.values() for command in commands]
    for name in set(commands_of(typer.main.get_command(app))) - NEEDS_NO_ENVIRONMENT - SERVES_A_PAGE:
        assert any(each == name or each.startswith(f"{name} ") for each in run), name


def test_the_table_of_policies_says_which_commands_each_is_for() -> None:
    table = document("docs/operating.md").table("output", "for")
    rows = {output: names_in(row[1]) for row in table for output in names_in(row[0])}
    assert set(rows) == set(COMMANDS)
    for output, commands in COMMANDS.items():
        assert {command[0] for command in commands} <= rows[output], output


@pytest.mark.parametrize("output", COMMANDS)
@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_policies_allow_what_the_commands_request(
    stacks: dict[str, Stack], used: Used, stack_id: str, output: str
) -> None:
    both = [each for name in {READ, output} for each in named_statements(stacks[stack_id], name, used)]
    allowed = policy(both, {})
    for use in used.by_policy[output]:
        assert allowed.allows(use), use


@pytest.mark.parametrize("output", COMMANDS)
@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_policies_allow_nothing_else(
    stacks: dict[str, Stack], used: Used, stack_id: str, output: str
) -> None:
    unused: dict[str, set[str]] = {}
    for statement in named_statements(stacks[stack_id], output, used):
        for grant in grants(statement):
            if not any(grant.covers(use) for use in used.by_policy[output]):
                unused.setdefault(statement["sid"], set()).add(grant.action)
    assert unused == UNUSED.get(output, {})
