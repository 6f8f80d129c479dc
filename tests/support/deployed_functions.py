"""A synthesized stack's functions, their environment variables and rights, from Terraform's JSON."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.environments import with_throwaway
from tests.support.synthesized import Stack

Block = Mapping[str, Any]

ENVIRONMENTS_BY_STACK = {environment.stack_id: environment for environment in with_throwaway()}
STACK_IDS = tuple(ENVIRONMENTS_BY_STACK)
ACCOUNT_ID = "123456789012"
"""It is the emulator's account too."""

_REFERENCE = re.compile(r"\$\{(?P<data>data\.)?(?P<kind>\w+)\.(?P<id>\w+)\.(?P<attribute>[^}]+)\}")
# Values that AWS chooses, in AWS's format; all others that references name are in the block itself.
_CHOSEN_BY_AWS = {
    ("aws_caller_identity", "account_id"): ACCOUNT_ID,
    ("aws_db_instance", "address"): "{identifier}.c9akciq32rgx.us-east-1.rds.amazonaws.com",
    ("aws_db_instance", "master_user_secret[0].secret_arn"): (
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:rds!db-0a1b2c3d-{{identifier}}-Ab3dEf"
    ),
    ("aws_elasticache_replication_group", "primary_endpoint_address"): (
        "master.{replication_group_id}.abc123.use1.cache.amazonaws.com"
    ),
    ("aws_secretsmanager_secret", "arn"): (
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:{{name}}-Xy9zAb"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as the stack declares it; `statements`: those of its role's policy."""

    block: Block
    statements: list[Block]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables, in which references are not resolved."""
        variables: dict[str, str] = self.block["environment"]["variables"]
        return variables


def processor(stack: Stack) -> Function:
    """Return the function that processes the stream's records."""
    return _function(stack, stack.only("aws_lambda_event_source_mapping")["function_name"])


def migrations(stack: Stack) -> Function:
    """Return the function that a deploy invokes."""
    return _function(stack, stack.only("aws_lambda_invocation")["function_name"])


def block_of(stack: Stack, reference: str) -> Block:
    """Return the resource or data source that a reference, `${kind.id.attribute}`, names."""
    found = _REFERENCE.fullmatch(reference)
    assert found, f"{reference!r} is not a reference"
    section = stack.document["data" if found["data"] else "resource"]
    block: Block = section[found["kind"]][found["id"]]
    return block


def sibling(reference: str, attribute: str) -> str:
    """Return the reference to another attribute of the same block."""
    found = _REFERENCE.fullmatch(reference)
    assert found, f"{reference!r} is not a reference"
    return f"${{{found['data'] or ''}{found['kind']}.{found['id']}.{attribute}}}"


def references(stack: Stack, kind: str, attribute: str) -> Iterator[tuple[str, Block]]:
    """Yield a reference to the attribute of each resource of a kind, with the resource."""
    for found_kind, logical_id, block in stack.blocks():
        if found_kind == kind:
            yield f"${{{kind}.{logical_id}.{attribute}}}", block


def resolved(stack: Stack, text: str) -> str:
    """Return the text with values like AWS's in place of references.

    Raises: KeyError for an attribute that is neither in the block nor in the table above.
    """

    def value(found: re.Match[str]) -> str:
        block = block_of(stack, found[0])
        chosen = _CHOSEN_BY_AWS.get((found["kind"], found["attribute"]))
        return resolved(stack, str(block[found["attribute"]])) if chosen is None else chosen.format(**block)

    return _REFERENCE.sub(value, text)


def secret_of_role(stack: Stack, role: str) -> str:
    """Return the reference to the ARN of the secret that holds a database role's login."""
    (found,) = [
        sibling(block["secret_id"], "arn")
        for _, block in references(stack, "aws_secretsmanager_secret_version", "arn")
        if json.loads(block["secret_string_wo"])["username"] == role
    ]
    return found


def bucket(stack: Stack, base_name: str) -> str:
    """Return the reference to the name of the bucket whose name begins with `base_name`."""
    (found,) = [
        reference
        for reference, block in references(stack, "aws_s3_bucket", "bucket")
        if block["bucket"].startswith(f"{base_name}-$")
    ]
    return found


def statements(stack: Stack, policy: str) -> list[Block]:
    """Return the statements of the policy document that a reference names."""
    document = block_of(stack, policy)
    unread = set(document) - {"//", "statement"}
    assert not unread, f"{policy} has more than statements: {unread}"
    return list(document["statement"])


def _function(stack: Stack, reference: str) -> Function:
    block = block_of(stack, reference)
    (policy,) = [
        rights["policy"]
        for _, rights in references(stack, "aws_iam_role_policy", "policy")
        if sibling(rights["role"], "arn") == block["role"]
    ]
    return Function(block=block, statements=statements(stack, policy))
