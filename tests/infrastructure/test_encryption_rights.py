"""With a key of the team's, who may use it, for what, and through which service only."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from stacks.config.settings import SettingsError
from stacks.key_policy import key_policy, policy_for
from tests.infrastructure.test_bootstrap import ACCOUNT, REFERENCES, VARIABLES
from tests.infrastructure.test_permissions import (
    ADMINISTRATOR,
    ARCHIVE,
    QUARANTINE,
    READER,
    RESULTS,
    STREAM,
    WRITER,
    statements,
)
from tests.support.environments import DEV, ENVIRONMENTS, PROD, STAGING
from tests.support.iam_policies import Policy, policy
from tests.support.recording_proxy import Use
from tests.support.synthesized import KEY, Stack, synthesize_bootstrap

OTHER_KEY = KEY.replace("1234abcd", "abcd1234")
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"


def through(service: str, context: str = "", value: str = "") -> dict[str, str]:
    """Return the condition keys of a request to KMS that a service makes for a role."""
    found = {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}
    return found | ({f"kms:EncryptionContext:{context}": value} if context else {})


USES = {
    "put records": ("kms:GenerateDataKey", through("kinesis", "aws:kinesis:arn", STREAM)),
    "get records": ("kms:Decrypt", through("kinesis", "aws:kinesis:arn", STREAM)),
    "archive": ("kms:GenerateDataKey", through("s3", "aws:s3:arn", ARCHIVE)),
    "quarantine": ("kms:GenerateDataKey", through("s3", "aws:s3:arn", QUARANTINE)),
    "read the archive": ("kms:Decrypt", through("s3", "aws:s3:arn", ARCHIVE)),
    "read the quarantine": ("kms:Decrypt", through("s3", "aws:s3:arn", QUARANTINE)),
    "write results": ("kms:GenerateDataKey", through("s3", "aws:s3:arn", RESULTS)),
    "read results": ("kms:Decrypt", through("s3", "aws:s3:arn", RESULTS)),
    "receive messages": ("kms:Decrypt", through("sqs")),
    "log in as administrator": ("kms:Decrypt", through("secretsmanager", "SecretARN", ADMINISTRATOR)),
    "log in as writer": ("kms:Decrypt", through("secretsmanager", "SecretARN", WRITER)),
    "log in as reader": ("kms:Decrypt", through("secretsmanager", "SecretARN", READER)),
    "start the processor": (
        "kms:Decrypt",
        through("lambda", "aws:lambda:FunctionArn", f"{FUNCTION}inventory-processor-prod"),
    ),
    "start the migrations": (
        "kms:Decrypt",
        through("lambda", "aws:lambda:FunctionArn", f"{FUNCTION}inventory-migrations-prod"),
    ),
}
MAY = {
    "Processor_Private_May": {
        "get records",
        "archive",
        "quarantine",
        "log in as writer",
        "start the processor",
    },
    "Migrations_Private_May": {
        "log in as administrator",
        "log in as writer",
        "log in as reader",
        "start the migrations",
    },
    "Suppliers_May": {"put records"},
    "Shop_May": {"log in as reader"},
    "Operators_ReadMay": {
        "get records",
        "read the archive",
        "read the quarantine",
        "write results",
        "read results",
        "log in as reader",
    },
    "Operators_RedriveMay": {"receive messages", "quarantine"},
    "Operators_ReplayMay": {"log in as writer", "quarantine"},
}


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Bootstrap stack of which prod alone has a key."""
    environments = [replace(each, encryption_key_arn=KEY) if each is PROD else each for each in ENVIRONMENTS]
    return synthesize_bootstrap(VARIABLES, tmp_path_factory.mktemp("bootstrap"), environments).readable()


@pytest.mark.parametrize("document", MAY)
@pytest.mark.parametrize("use", USES)
def test_each_may_what_it_needs_and_no_more(encrypted: dict[str, Stack], document: str, use: str) -> None:
    role = policy(statements(encrypted["prod"], document), {})
    action, context = USES[use]
    assert role.allows(Use(action, KEY), context) is (use in MAY[document])
    assert not role.allows(Use(action, OTHER_KEY), context)
    for left_out in context:
        part = {name: value for name, value in context.items() if name != left_out}
        assert not role.allows(Use(action, KEY), part), f"without {left_out}"
    assert not role.allows(Use("kms:CreateGrant", KEY), context)


@pytest.mark.parametrize("document", MAY)
def test_nobody_has_another_action_of_kms(encrypted: dict[str, Stack], document: str) -> None:
    for stack in encrypted.values():
        actions = {action for each in statements(stack, document) for action in each["actions"]}
        assert {action for action in actions if action.startswith("kms:")} == {
            USES[use][0] for use in MAY[document]
        }


def test_no_other_policy_of_a_stack_has_the_key(encrypted: dict[str, Stack]) -> None:
    for name, stack in encrypted.items():
        documents = stack.all("aws_iam_policy_document")
        assert {id_ for id_, body in documents.items() if KEY in json.dumps(body)} == set(MAY), name


def rights(bootstrap: Stack, document: str) -> Policy:
    return policy(bootstrap.named("aws_iam_policy_document", document)["statement"], REFERENCES)


@pytest.mark.parametrize(
    ("action", "context", "plan", "deploy"),
    [
        ("kms:Decrypt", through("lambda"), True, True),
        ("kms:Decrypt", through("secretsmanager"), True, True),
        ("kms:GenerateDataKey", through("secretsmanager"), False, True),
        ("kms:Encrypt", through("lambda"), False, True),
        ("kms:CreateGrant", through("rds") | {"kms:GrantIsForAWSResource": "true"}, False, True),
        ("kms:CreateGrant", through("elasticache") | {"kms:GrantIsForAWSResource": "true"}, False, True),
        ("kms:CreateGrant", through("rds"), False, False),
        ("kms:CreateGrant", {"kms:GrantIsForAWSResource": "true"}, False, False),
        ("kms:Decrypt", {}, False, False),
        ("kms:Decrypt", through("s3"), False, False),
        ("kms:PutKeyPolicy", through("rds"), False, False),
        ("kms:ScheduleKeyDeletion", {}, False, False),
        ("kms:GetKeyPolicy", {}, True, True),
    ],
)
def test_what_deploys_uses_the_key_through_services_only(
    bootstrap: Stack,
    action: str,
    context: Mapping[str, str],
    plan: bool,  # noqa: FBT001
    deploy: bool,  # noqa: FBT001
) -> None:
    assert rights(bootstrap, "prod_PlanMay").allows(Use(action, KEY), context) is plan
    assert rights(bootstrap, "prod_DeployMay").allows(Use(action, KEY), context) is deploy
    for document in ("prod_PlanMay", "prod_DeployMay"):
        assert not rights(bootstrap, document).allows(Use(action, OTHER_KEY), context)
    assert not rights(bootstrap, "dev_DeployMay").allows(Use(action, KEY), context)


def test_the_policy_with_the_key_fits(bootstrap: Stack) -> None:
    """IAM counts 10,240 characters without white space, of all inline policies of a role."""
    for kind in ("Plan", "Deploy"):
        found = bootstrap.named("aws_iam_policy_document", f"prod_{kind}May")["statement"]
        assert len(json.dumps(found, separators=(",", ":"))) < 10_240


def test_the_boundary_lets_functions_use_the_keys_of_environments(bootstrap: Stack) -> None:
    boundary = rights(bootstrap, "FunctionBoundary_May")
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert boundary.allows(Use(action, KEY))
        assert not boundary.allows(Use(action, OTHER_KEY))
    assert not boundary.allows(Use("kms:Encrypt", KEY))


def service_policy(service: str) -> Policy:
    """Return what the key's own policy allows a service, with references as the key's policy names them."""
    found = key_policy(KEY, [PROD])["Statement"]
    return Policy(
        statements=tuple(
            {
                "actions": each["Action"],
                "resources": [each["Resource"]],
                "condition": [
                    {
                        "test": test,
                        "variable": variable,
                        "values": [value] if isinstance(value, str) else value,
                    }
                    for test, variables in each.get("Condition", {}).items()
                    for variable, value in variables.items()
                ],
            }
            for each in found
            if each["Principal"] == {"Service": f"{service}.amazonaws.com"}
        )
    )


def with_account(text: str) -> str:
    return text.replace("${data.aws_caller_identity.Account.account_id}", ACCOUNT)


def test_the_key_s_policy_lets_logs_use_it_for_our_groups_alone(encrypted: dict[str, Stack]) -> None:
    logs = service_policy("logs.us-east-1")
    groups = [group["name"] for group in encrypted["prod"].all("aws_cloudwatch_log_group").values()]
    assert len(groups) >= 5
    for name in (*groups, "/aws/lambda/other-staging", "/aws/vpc/billing-production"):
        arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}"
        context = {"kms:EncryptionContext:aws:logs:arn": arn}
        assert logs.allows(Use("kms:GenerateDataKey", KEY), context) is (name in groups)
    assert not logs.allows(Use("kms:GenerateDataKey", KEY))


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
@pytest.mark.parametrize("service", ["s3", "cloudwatch"])
def test_the_key_s_policy_lets_notifications_through(service: str, action: str) -> None:
    assert service_policy(service).allows(Use(action, KEY))
    assert not service_policy(service).allows(Use("kms:CreateGrant", KEY))


def test_iam_policies_count_and_no_other_principal_has_rights() -> None:
    found: list[Any] = [each["Principal"] for each in key_policy(KEY, [PROD])["Statement"]]
    assert found == [
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"Service": "logs.us-east-1.amazonaws.com"},
        {"Service": "s3.amazonaws.com"},
        {"Service": "cloudwatch.amazonaws.com"},
    ]


def test_the_printed_policy_is_for_all_environments_that_use_the_stack_s_key() -> None:
    dev, prod = (replace(each, encryption_key_arn=KEY) for each in (DEV, PROD))
    staging = replace(STAGING, encryption_key_arn=OTHER_KEY)
    assert policy_for("dev-stack", [dev, staging, prod]) == key_policy(KEY, [dev, prod])
    text = json.dumps(key_policy(KEY, [dev, prod]))
    assert ("-dev" in text, "-staging" in text, "-prod" in text) == (True, False, True)


@pytest.mark.parametrize(
    ("stack_id", "refusal"),
    [
        ("test-stack", "^STACK is 'test-stack'; accepted: dev-stack, staging-stack, prod-stack$"),
        ("dev-stack", "^encryption_key_arn of dev-stack is None; accepted: a key's ARN, in "),
    ],
)
def test_without_a_key_there_is_no_policy(stack_id: str, refusal: str) -> None:
    with pytest.raises(SettingsError, match=refusal):
        policy_for(stack_id, ENVIRONMENTS)


def test_a_policy_for_all_environments_fits() -> None:
    """KMS accepts 32 KiB: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html."""
    assert len(json.dumps(key_policy(KEY, ENVIRONMENTS), indent=2)) < 32 * 1024
