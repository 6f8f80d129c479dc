"""AWS's own logs, in prod: connections, requests to the buckets, the database's operating system."""

from typing import Any

import pytest

from tests.support.synthesized import Stack

ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
PARTITION = "${data.aws_partition.Database_Monitoring_Partition.partition}"
FLOWS = "${aws_cloudwatch_log_group.FlowLogs.arn}"
METRICS = f"arn:{PARTITION}:logs:us-east-1:{ACCOUNT}:log-group:RDSOSMetrics"
SOURCES = {"Archive": "archive/", "Quarantine": "quarantine/"}


def trusted(service: str, *conditions: dict[str, Any]) -> list[dict[str, Any]]:
    principals = [{"type": "Service", "identifiers": [service]}]
    account = {"test": "StringEquals", "variable": "aws:SourceAccount", "values": [ACCOUNT]}
    return [
        {
            "sid": "Assume",
            "actions": ["sts:AssumeRole"],
            "principals": principals,
            "condition": [*conditions, account],
        }
    ]


def statements(stack: Stack, document: str) -> Any:
    return stack.named("aws_iam_policy_document", document)["statement"]


@pytest.mark.parametrize("name", ["dev", "staging"])
def test_only_prod_has_them(readable: dict[str, Stack], name: str) -> None:
    stack = readable[name]
    assert not stack.all("aws_flow_log")
    assert not stack.all("aws_s3_bucket_logging")
    assert not {"monitoring_interval", "monitoring_role_arn"} & set(stack.only("aws_db_instance"))


def test_every_connection_is_logged(readable: dict[str, Stack]) -> None:
    prod = readable["prod"]
    flows = dict(prod.only("aws_flow_log"))
    del flows["//"]
    assert flows == {
        "vpc_id": "${aws_vpc.Network_Vpc.id}",
        "traffic_type": "ALL",
        "log_destination": FLOWS,
        "iam_role_arn": "${aws_iam_role.FlowLogs_Role.arn}",
        "tags": {"Name": "product-catalog-prod"},
        "depends_on": ["aws_iam_role_policy.FlowLogs_Rights"],
    }
    assert statements(prod, "FlowLogs_Trust") == trusted("vpc-flow-logs.amazonaws.com")
    assert statements(prod, "FlowLogs_May") == [
        {
            "sid": "Log",
            # What AWS names, without the group's creation:
            # https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
            "actions": [
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            "resources": [f"{FLOWS}:*"],
        }
    ]


def test_the_operating_system_of_the_database_is_watched(readable: dict[str, Stack]) -> None:
    prod = readable["prod"]
    instance = prod.only("aws_db_instance")
    assert instance["monitoring_interval"] == 60
    assert instance["monitoring_role_arn"] == "${aws_iam_role.Database_Monitoring_Role.arn}"
    assert "aws_iam_role_policy.Database_Monitoring_Rights" in instance["depends_on"]
    ours = f"arn:{PARTITION}:rds:us-east-1:{ACCOUNT}:db:product-catalog-prod"
    only_ours = {"test": "ArnEquals", "variable": "aws:SourceArn", "values": [ours]}
    assert statements(prod, "Database_Monitoring_Trust") == trusted("monitoring.rds.amazonaws.com", only_ours)
    allowed = [(one["actions"], one["resources"]) for one in statements(prod, "Database_Monitoring_May")]
    assert allowed == [
        (["logs:CreateLogGroup", "logs:PutRetentionPolicy"], [METRICS]),
        (
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:PutLogEvents"],
            [f"{METRICS}:log-stream:*"],
        ),
    ]


@pytest.mark.parametrize("part", SOURCES)
def test_requests_to_the_buckets_are_logged(readable: dict[str, Stack], part: str) -> None:
    logging = dict(readable["prod"].named("aws_s3_bucket_logging", f"AccessLogs_Of{part}"))
    del logging["//"]
    assert logging == {
        "bucket": f"${{aws_s3_bucket.{part}_Private_Bucket.bucket}}",
        "target_bucket": "${aws_s3_bucket.AccessLogs_Private_Bucket.bucket}",
        "target_prefix": SOURCES[part],
        "target_object_key_format": {"partitioned_prefix": {"partition_date_source": "EventTime"}},
        "depends_on": ["aws_s3_bucket_policy.AccessLogs_Private_Policy"],
    }


def test_only_s3_writes_the_access_logs_and_only_for_our_buckets(readable: dict[str, Stack]) -> None:
    delivers, tls_only = statements(readable["prod"], "AccessLogs_Private_TlsOnly")
    assert tls_only["effect"] == "Deny"
    assert delivers["actions"] == ["s3:PutObject"]
    assert delivers["resources"] == ["${aws_s3_bucket.AccessLogs_Private_Bucket.arn}/*"]
    assert delivers["principals"] == [{"type": "Service", "identifiers": ["logging.s3.amazonaws.com"]}]
    arns = [f"${{aws_s3_bucket.{part}_Private_Bucket.arn}}" for part in SOURCES]
    assert delivers["condition"] == [
        {"test": "ArnEquals", "variable": "aws:SourceArn", "values": arns},
        {"test": "StringEquals", "variable": "aws:SourceAccount", "values": [ACCOUNT]},
    ]


def test_access_logs_are_kept_as_long_as_what_they_are_about(readable: dict[str, Stack]) -> None:
    lifecycle = readable["prod"].named(
        "aws_s3_bucket_lifecycle_configuration", "AccessLogs_Private_Lifecycle"
    )
    archive = readable["prod"].named("aws_s3_bucket_lifecycle_configuration", "Archive_Private_Lifecycle")
    expiry = {rule["id"]: rule.get("expiration") for rule in archive["rule"]}["expiry"]
    assert {rule["id"]: rule.get("expiration") for rule in lifecycle["rule"]}["expiry"] == expiry
