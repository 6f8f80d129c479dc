import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.iam_policies import policy
from tests.support.recording_proxy import Use
from tests.support.synthesized import Stack

STREAM = "${aws_kinesis_stream.Stream.arn}"
ARCHIVE = "${aws_s3_bucket.Archive_Private_Bucket.arn}"
QUARANTINE = "${aws_s3_bucket.Quarantine_Private_Bucket.arn}"
QUEUE = "${aws_sqs_queue.Quarantine_Queue.arn}"
ADMINISTRATOR = "${aws_db_instance.Database_Instance.master_user_secret[0].secret_arn}"
WRITER = "${aws_secretsmanager_secret.Writer_Secret.arn}"
READER = "${aws_secretsmanager_secret.Reader_Secret.arn}"
RESULTS = "${aws_s3_bucket.Queries_Private_Bucket.arn}"
GLUE = (
    "arn:${data.aws_partition.Queries_Partition.partition}:glue:us-east-1"
    ":${data.aws_caller_identity.Account.account_id}"
)
FOUND_IN_GLUE = {
    f"{GLUE}:catalog",
    f"{GLUE}:database/default",
    "${aws_glue_catalog_database.Queries_Database.arn}",
    "${aws_glue_catalog_table.Queries_Lines.arn}",
    "${aws_glue_catalog_table.Queries_LinesOfShard.arn}",
}
CACHE = "${aws_elasticache_replication_group.Cache_ReplicationGroup.arn}"

# AWS supports no narrower resource:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
EVERY_FUNCTION_ON_ANYTHING = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
ON_ANYTHING = EVERY_FUNCTION_ON_ANYTHING | {
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
}

SERVICES = {
    "Processor_Private": "lambda.amazonaws.com",
    "Migrations_Private": "lambda.amazonaws.com",
    "Database_Monitoring": "monitoring.rds.amazonaws.com",
    "FlowLogs": "vpc-flow-logs.amazonaws.com",
}

OF_ENDPOINTS = {"Endpoints_S3Access", "Endpoints_SecretsAccess"}

Grants = Mapping[str, set[str]]


def every_function_may(part: str) -> dict[str, set[str]]:
    logs = f"${{aws_cloudwatch_log_group.{part}_Private_Logs.arn}}:*"
    return {
        "logs:CreateLogStream": {logs},
        "logs:PutLogEvents": {logs},
        **{action: {"*"} for action in EVERY_FUNCTION_ON_ANYTHING},
    }


# Policy document → action → resources: everything that is allowed.
ALLOWED: Mapping[str, Grants] = {
    "Processor_Private_May": {
        **every_function_may("Processor"),
        "kinesis:DescribeStream": {STREAM},
        "kinesis:DescribeStreamSummary": {STREAM},
        "kinesis:GetRecords": {STREAM},
        "kinesis:GetShardIterator": {STREAM},
        "kinesis:ListShards": {STREAM},
        "s3:PutObject": {
            f"{ARCHIVE}/inventory/*",
            f"{QUARANTINE}/quarantine/*",
            f"{QUARANTINE}/survivors/*",
            f"{QUARANTINE}/aws/lambda/*",
        },
        "s3:ListBucket": {QUARANTINE},
        "secretsmanager:GetSecretValue": {WRITER},
        "elasticache:Connect": {CACHE, "${aws_elasticache_user.Cache_Processor_User.arn}"},
    },
    "Migrations_Private_May": {
        **every_function_may("Migrations"),
        "secretsmanager:GetSecretValue": {ADMINISTRATOR, WRITER, READER},
    },
    "Suppliers_May": {
        "kinesis:DescribeStreamSummary": {STREAM},
        "kinesis:ListShards": {STREAM},
        "kinesis:PutRecord": {STREAM},
        "kinesis:PutRecords": {STREAM},
    },
    "Shop_May": {
        "secretsmanager:GetSecretValue": {READER},
        "elasticache:Connect": {CACHE, "${aws_elasticache_user.Cache_Shop_User.arn}"},
    },
    "Operators_ReadMay": {
        "ssm:GetParameter": {"${aws_ssm_parameter.Environment_Parameter.arn}"},
        "s3:ListBucket": {ARCHIVE, QUARANTINE, RESULTS},
        "s3:GetObject": {
            f"{ARCHIVE}/inventory/*",
            f"{QUARANTINE}/quarantine/*",
            f"{QUARANTINE}/aws/lambda/*",
            f"{QUARANTINE}/operations/*",
            f"{RESULTS}/*",
        },
        **{
            f"athena:{action}": {"${aws_athena_workgroup.Queries_Workgroup.arn}"}
            for action in (
                "GetQueryExecution",
                "GetQueryResults",
                "StartQueryExecution",
                "StopQueryExecution",
            )
        },
        **{f"glue:{action}": FOUND_IN_GLUE for action in ("GetDatabase", "GetPartitions", "GetTable")},
        "s3:GetBucketLocation": {RESULTS},
        "s3:ListBucketMultipartUploads": {RESULTS},
        "s3:AbortMultipartUpload": {f"{RESULTS}/*"},
        "s3:ListMultipartUploadParts": {f"{RESULTS}/*"},
        "s3:PutObject": {f"{RESULTS}/*"},
        "cloudwatch:DescribeAlarms": {"*"},
        "cloudwatch:GetMetricData": {"*"},
        "kinesis:DescribeStreamSummary": {STREAM},
        "kinesis:GetRecords": {STREAM},
        "kinesis:GetShardIterator": {STREAM},
        "kinesis:ListShards": {STREAM},
        "sqs:GetQueueAttributes": {QUEUE},
        "secretsmanager:GetSecretValue": {READER},
        "elasticache:Connect": {CACHE, "${aws_elasticache_user.Cache_Shop_User.arn}"},
    },
    "Operators_RedriveMay": {
        "lambda:InvokeFunction": {"${aws_lambda_function.Processor_Private_Function.arn}"},
        "sqs:ChangeMessageVisibility": {QUEUE},
        "sqs:DeleteMessage": {QUEUE},
        "sqs:ReceiveMessage": {QUEUE},
        "s3:PutObject": {f"{QUARANTINE}/operations/*"},
    },
    "Operators_ReplayMay": {
        "secretsmanager:GetSecretValue": {WRITER},
        "elasticache:Connect": {CACHE, "${aws_elasticache_user.Cache_Processor_User.arn}"},
        "s3:PutObject": {f"{QUARANTINE}/operations/*"},
    },
}
OPERATORS = ("Read", "Redrive", "Replay")


@pytest.mark.parametrize("document", ALLOWED)
def test_exactly_these_actions_on_exactly_these_resources(stack: Stack, document: str) -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for statement in statements(stack, document):
        if statement.get("effect") == "Deny":
            continue
        assert not {"principals", "condition", "not_actions", "not_resources"} & set(statement)
        for action in statement["actions"]:
            found[action] |= set(statement["resources"])
    assert found == ALLOWED[document]


@pytest.mark.parametrize("part", ["Processor", "Migrations"])
def test_only_lambda_itself_may_create_and_delete_network_interfaces(stack: Stack, part: str) -> None:
    role = policy(statements(stack, f"{part}_Private_May"), {})
    from_code = {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:ours"}
    for action in EVERY_FUNCTION_ON_ANYTHING:
        use = Use(action, "*")
        assert role.allows(use)
        assert role.allows(use, from_code) is action.startswith("xray:"), action
    (denied,) = (each for each in statements(stack, f"{part}_Private_May") if each.get("effect") == "Deny")
    assert {action.partition(":")[0] for action in denied["actions"]} == {"ec2"}
    assert denied["condition"] == [
        {"test": "Null", "variable": "lambda:SourceFunctionArn", "values": ["false"]}
    ]


def test_a_role_is_only_for_one_service_and_has_one_policy(stack: Stack) -> None:
    for id_, role in stack.all("aws_iam_role").items():
        part = id_.removesuffix("_Role")
        assert role["assume_role_policy"] == f"${{data.aws_iam_policy_document.{part}_Trust.json}}"
        assert not {"managed_policy_arns", "inline_policy", "permissions_boundary"} & set(role)
        (trust,) = statements(stack, f"{part}_Trust")
        assert trust["actions"] == ["sts:AssumeRole"]
        assert trust["principals"] == [{"type": "Service", "identifiers": [SERVICES[part]]}]
        rights = stack.named("aws_iam_role_policy", f"{part}_Rights")
        assert rights["role"] == f"${{aws_iam_role.{id_}.name}}"
        assert rights["policy"] == f"${{data.aws_iam_policy_document.{part}_May.json}}"


def test_nothing_else_gives_a_role_rights(stack: Stack) -> None:
    assert len(stack.all("aws_iam_role_policy")) == len(stack.all("aws_iam_role"))
    assert not stack.all("aws_iam_role_policy_attachment")
    assert set(stack.all("aws_iam_policy")) == {
        "Suppliers_Policy",
        "Shop_Policy",
        *(f"Operators_{kind}Policy" for kind in OPERATORS),
    }


@pytest.mark.parametrize("part", ["Suppliers_", "Shop_", *(f"Operators_{kind}" for kind in OPERATORS)])
def test_others_are_given_a_policy_to_attach(stack: Stack, part: str) -> None:
    policy = stack.named("aws_iam_policy", f"{part}Policy")
    assert policy["policy"] == f"${{data.aws_iam_policy_document.{part}May.json}}"


def test_no_two_statements_of_a_policy_are_equal_or_have_the_same_name(stack: Stack) -> None:
    """IAM refuses a name twice. Of two equal statements one would stay when the other is removed."""
    for document in stack.all("aws_iam_policy_document"):
        found = list(statements(stack, document))
        names = [statement["sid"] for statement in found]
        assert len(set(names)) == len(names), document
        assert all(re.fullmatch("[0-9A-Za-z]+", name) for name in names), document
        contents = [json.dumps({**statement, "sid": ""}, sort_keys=True) for statement in found]
        assert len(set(contents)) == len(contents), document


def test_no_statement_is_wider_than_aws_requires(stack: Stack) -> None:
    """But in policies of endpoints, which give nobody a right; test_network.py has them."""
    for document in set(stack.all("aws_iam_policy_document")) - OF_ENDPOINTS:
        for statement in statements(stack, document):
            if statement.get("effect") == "Deny":
                continue
            assert not any("*" in action for action in statement["actions"]), document
            if "*" in statement.get("resources", []):
                assert set(statement["actions"]) <= ON_ANYTHING, document
            anybody = any("*" in principal["identifiers"] for principal in statement.get("principals", []))
            assert statement.get("condition") or not anybody, document


def test_every_policy_can_be_analysed(stack: Stack) -> None:
    """Tools analyse policy documents but ignore policies in inline JSON."""
    for kind, logical_id, body in stack.blocks():
        for argument in {"policy", "assume_role_policy"} & set(body):
            assert body[argument].startswith("${data.aws_iam_policy_document."), f"{kind}.{logical_id}"


def statements(stack: Stack, document: str) -> Iterator[Mapping[str, Any]]:
    yield from stack.named("aws_iam_policy_document", document)["statement"]
