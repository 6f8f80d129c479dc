"""Every physical name ends with its environment's name, and AWS accepts even the longest."""

import re
from collections.abc import Iterator

import pytest

from tests.infrastructure.conftest import LONGEST_NAME
from tests.support.environments import PERMANENT, THROWAWAY
from tests.support.synthesized import Stack

ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
FIRST_PLANNED = '${formatdate("YYYYMMDDhhmmss", plantimestamp())}'

# Kind → argument → the maximum length that AWS accepts.
LIMITS = {
    # https://docs.aws.amazon.com/athena/latest/APIReference/API_CreateWorkGroup.html
    "aws_athena_workgroup": {"name": 128},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
    "aws_cloudwatch_dashboard": {"dashboard_name": 255},
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    "aws_cloudwatch_event_rule": {"name": 64},
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    "aws_cloudwatch_log_group": {"name": 512},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    "aws_cloudwatch_metric_alarm": {"alarm_name": 255},
    # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
    "aws_db_instance": {"identifier": 63, "final_snapshot_identifier": 255},
    # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html
    "aws_db_parameter_group": {"name": 255},
    # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html
    "aws_db_subnet_group": {"name": 255},
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html
    "aws_elasticache_replication_group": {"replication_group_id": 40},
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheSubnetGroup.html
    "aws_elasticache_subnet_group": {"name": 255},
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html; the API documents no limit,
    # the console's is 40.
    "aws_elasticache_user": {"user_id": 40, "user_name": 40},
    "aws_elasticache_user_group": {"user_group_id": 40},
    # https://docs.aws.amazon.com/glue/latest/webapi/API_DatabaseInput.html, API_TableInput.html
    "aws_glue_catalog_database": {"name": 255},
    "aws_glue_catalog_table": {"name": 255},
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    "aws_iam_policy": {"name": 128},
    "aws_iam_role": {"name": 64},
    "aws_iam_role_policy": {"name": 128},
    # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html
    "aws_kinesis_stream": {"name": 128},
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    "aws_lambda_function": {"function_name": 64},
    # https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
    "aws_lambda_layer_version": {"layer_name": 140},
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    "aws_s3_bucket": {"bucket": 63},
    # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    "aws_secretsmanager_secret": {"name": 512},
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    "aws_security_group": {"name": 255},
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    "aws_sns_topic": {"name": 256},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    "aws_sqs_queue": {"name": 80},
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    "aws_ssm_parameter": {"name": 1011},
}
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
TAG_LIMIT = 256

# Arguments that name the resource itself, not one that it belongs to.
NAME_ARGUMENTS = {argument for arguments in LIMITS.values() for argument in arguments} | {
    "cluster_id",
    "cluster_identifier",
    "name_prefix",
    "snapshot_identifier",
    "topic_name",
}

NOT_AT_THE_END = {
    # RDS writes to log groups of exactly these names.
    "aws_cloudwatch_log_group.Database_PostgresqlLog": r"/aws/rds/instance/product-catalog-{name}/postgresql",
    "aws_cloudwatch_log_group.Database_UpgradeLog": r"/aws/rds/instance/product-catalog-{name}/upgrade",
    # Inline policies belong to a role, whose name has the environment.
    "aws_iam_role_policy.Processor_Private_Rights": "rights",
    "aws_iam_role_policy.Migrations_Private_Rights": "rights",
    "aws_iam_role_policy.FlowLogs_Rights": "rights",
    "aws_iam_role_policy.Database_Monitoring_Rights": "rights",
    # A path, which `catalog --env {name}` looks up.
    "aws_ssm_parameter.Environment_Parameter": "/product-catalog/{name}",
    # Athena takes no hyphen in a name that is not quoted. Tables belong to a database.
    "aws_glue_catalog_database.Queries_Database": "product_catalog_{identifier}",
    "aws_glue_catalog_table.Queries_Lines": "archive_lines",
    "aws_glue_catalog_table.Queries_LinesOfShard": "archive_lines_of_shard",
}


@pytest.mark.parametrize("name", [*PERMANENT, THROWAWAY])
def test_every_name_ends_with_the_environments(readable: dict[str, Stack], name: str) -> None:
    for address, _, physical_name in physical_names(readable[name]):
        if address in NOT_AT_THE_END:
            identifier = name.replace("-", "_")
            assert physical_name == NOT_AT_THE_END[address].format(name=name, identifier=identifier)
        else:
            assert physical_name.endswith(f"-{name}"), address


def test_two_environments_share_no_name(readable: dict[str, Stack]) -> None:
    names = {
        environment: {
            (address.partition(".")[0], argument, physical_name)
            for address, argument, physical_name in physical_names(readable[environment])
            if not address.startswith(("aws_glue_catalog_table.", "aws_iam_role_policy."))
        }
        for environment in (*PERMANENT, THROWAWAY)
    }
    assert len(set().union(*names.values())) == sum(map(len, names.values()))


def test_no_name_is_used_twice(stack: Stack) -> None:
    names = [
        (address.partition(".")[0], argument, physical_name)
        for address, argument, physical_name in physical_names(stack)
        if argument != "Name" and not address.startswith("aws_iam_role_policy.")
    ]
    assert len(set(names)) == len(names)


def test_aws_accepts_the_longest_names(longest: Stack) -> None:
    for address, argument, physical_name in physical_names(longest):
        kind = address.partition(".")[0]
        name = physical_name.replace(ACCOUNT, "1" * 12).replace(FIRST_PLANNED, "20261121083000")
        limit = TAG_LIMIT if argument == "Name" else LIMITS[kind][argument]
        assert len(name) <= limit, f"{address} has {len(name)} characters of {limit}"
        if kind.startswith("aws_glue_"):
            assert re.fullmatch(r"[a-z0-9_]+", name), address
            continue
        # RDS, ElastiCache and S3 refuse these in identifiers; no other name needs them.
        assert "--" not in name, address
        assert re.fullmatch(r"[a-z0-9/-]+[a-z0-9]", name), address
        if argument in {"identifier", "final_snapshot_identifier", "replication_group_id", "user_id"}:
            assert name[0].isalpha(), address


def test_nodes_of_the_cache_have_the_names_that_are_watched(longest: Stack) -> None:
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheCluster.html
    most_characters = 50
    group = longest.only("aws_elasticache_replication_group")
    watched = {
        dimension
        for alarm in longest.all("aws_cloudwatch_metric_alarm").values()
        for dimension in re.findall(r"'CacheClusterId': '([^']+)'", str(dict(alarm)))
    }
    nodes = {f"product-cache-{LONGEST_NAME}-{node:03}" for node in range(1, group["num_cache_clusters"] + 1)}
    assert watched == nodes
    assert max(map(len, nodes)) <= most_characters


def physical_names(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield (address, argument, name) for every AWS resource that we name."""
    for kind, blocks in stack.document["resource"].items():
        for logical_id, body in blocks.items():
            named = {argument: body[argument] for argument in NAME_ARGUMENTS & set(body)}
            if kind in LIMITS:
                assert named, f"{kind}.{logical_id} leaves its name to AWS"
            for argument, value in (named | body.get("tags", {})).items():
                # A plain reference is another resource's name.
                if not re.fullmatch(r"\$\{[^}]*\}", value):
                    assert argument == "Name" or argument in LIMITS.get(kind, {}), f"{kind} has no limit"
                    yield f"{kind}.{logical_id}", argument, value
