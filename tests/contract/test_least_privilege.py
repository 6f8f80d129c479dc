"""No policy of a stack allows more than it names, and rights come from policy documents only."""

import re
from collections.abc import Iterator

import pytest

from tests.support.deployed_functions import STACK_IDS, Block, references
from tests.support.iam_policies import effect
from tests.support.synthesized import Stack

NAMED = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
# AWS knows no narrower resource for these.
UNBOUNDED = re.compile(
    r"ec2:(\w*NetworkInterfaces?|DescribeSubnets|\w*PrivateIpAddresses)|xray:Put\w+"
    r"|cloudwatch:(DescribeAlarms|GetMetricData)"
)
# RDS's log group for enhanced monitoring, and what Athena needs of Glue for any query: the account has one.
OF_ACCOUNT = re.compile(
    r"arn:\$\{[^}]+\}:logs:[a-z0-9-]+:\$\{[^}]+\}:log-group:RDSOSMetrics(:log-stream:\*)?"
    r"|arn:\$\{[^}]+\}:glue:[a-z0-9-]+:\$\{[^}]+\}:(catalog|database/default)"
)
DOCUMENT = re.compile(r"\$\{data\.aws_iam_policy_document\.\w+\.json\}")
POLICY_ARGUMENTS = {"policy", "assume_role_policy"}
# Through these a role could get rights that are in no document here.
OTHER_WAYS = {
    "aws_iam_group_policy",
    "aws_iam_policy_attachment",
    "aws_iam_role_policies_exclusive",
    "aws_iam_role_policy_attachment",
    "aws_iam_role_policy_attachments_exclusive",
    "aws_iam_user_policy",
}


def allowing(stack: Stack) -> Iterator[tuple[str, Block]]:
    """Yield every statement that allows something, with its document's name.

    Policies of endpoints give nobody a right; test_permissions.py has what they let through.
    """
    of_endpoints = {endpoint.get("policy") for endpoint in stack.all("aws_vpc_endpoint").values()}
    for reference, document in references(stack, "aws_iam_policy_document", "json"):
        if reference.replace("${", "${data.") in of_endpoints:
            continue
        for statement in document["statement"]:
            if effect(statement) == "Allow":
                yield reference, statement


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_actions_are_named_one_by_one(stacks: dict[str, Stack], stack_id: str) -> None:
    for document, statement in allowing(stacks[stack_id]):
        assert statement["actions"], document
        for action in statement["actions"]:
            assert NAMED.fullmatch(action), (document, action)
        assert not {"not_actions", "not_resources", "not_principals"} & set(statement), document


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_resources_are_ours_but_where_aws_knows_no_narrower_one(
    stacks: dict[str, Stack], stack_id: str
) -> None:
    for document, statement in allowing(stacks[stack_id]):
        for resource in statement.get("resources", ()):
            # Our own resources are referenced, so they exist.
            if not resource.startswith("${") and not OF_ACCOUNT.fullmatch(resource):
                assert resource == "*", (document, resource)
                unbounded = [action for action in statement["actions"] if UNBOUNDED.fullmatch(action)]
                assert unbounded == statement["actions"], document


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_anybody_is_allowed_only_on_conditions(stacks: dict[str, Stack], stack_id: str) -> None:
    for document, statement in allowing(stacks[stack_id]):
        for principal in statement.get("principals", ()):
            if "*" in principal["identifiers"] or principal["type"] == "*":
                assert statement["condition"], document


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_rights_come_from_documents_alone(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    for kind, logical_id, block in stack.blocks():
        assert kind not in OTHER_WAYS, logical_id
        assert not {"inline_policy", "managed_policy_arns"} & set(block), logical_id
        for argument in POLICY_ARGUMENTS & set(block):
            assert DOCUMENT.fullmatch(block[argument]), (logical_id, argument)
        if kind == "aws_iam_policy_document":
            assert not set(block) - {"//", "statement"}, logical_id


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_a_role_has_one_policy(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    roles = {reference for reference, _ in references(stack, "aws_iam_role", "name")}
    with_rights = [block["role"] for _, block in references(stack, "aws_iam_role_policy", "policy")]
    assert sorted(with_rights) == sorted(roles)
