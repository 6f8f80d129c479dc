from collections.abc import Mapping
from graphlib import TopologicalSorter

import pytest

from tests.support.references import Graph, graph, reached
from tests.support.synthesized import Stack

PROCESSOR = "aws_lambda_function.Processor_Private_Function"
MIGRATIONS = "aws_lambda_function.Migrations_Private_Function"
INVOCATION = "aws_lambda_invocation.Migrations_Invocation"
MAPPING = "aws_lambda_event_source_mapping.EventSource_Mapping"
DATABASE = "aws_db_instance.Database_Instance"
NOTIFICATION = "aws_s3_bucket_notification.Quarantine_Notification"

# Resource → resources that must be created before it.
BEFORE: Mapping[str, tuple[str, ...]] = {
    INVOCATION: (
        MIGRATIONS,
        DATABASE,
        "aws_secretsmanager_secret_version.Writer_Version",
        "aws_secretsmanager_secret_version.Reader_Version",
    ),
    MIGRATIONS: (
        "aws_iam_role_policy.Migrations_Private_Rights",
        "aws_cloudwatch_log_group.Migrations_Private_Logs",
        "aws_vpc_endpoint.Endpoints_Secrets",
    ),
    PROCESSOR: (
        INVOCATION,
        "aws_iam_role_policy.Processor_Private_Rights",
        "aws_cloudwatch_log_group.Processor_Private_Logs",
        "aws_vpc_endpoint.Endpoints_S3",
        "aws_vpc_endpoint.Endpoints_Secrets",
        "aws_elasticache_replication_group.Cache_ReplicationGroup",
        "aws_elasticache_user.Cache_Processor_User",
    ),
    MAPPING: (PROCESSOR, "aws_iam_role_policy.Processor_Private_Rights", NOTIFICATION),
    NOTIFICATION: ("aws_sqs_queue_policy.Quarantine_QueuePolicy",),
    "aws_cloudwatch_event_target.Drain_Target": (PROCESSOR, "aws_lambda_permission.Drain_MayInvoke"),
    "aws_secretsmanager_secret_version.Writer_Version": (
        DATABASE,
        "ephemeral.aws_secretsmanager_random_password.WriterPassword",
    ),
    "aws_elasticache_replication_group.Cache_ReplicationGroup": (
        "aws_elasticache_user_group.Cache_Users",
        "aws_elasticache_user.Cache_Shop_User",
    ),
    **{
        f"aws_s3_bucket_policy.{part}_Private_Policy": (
            f"aws_s3_bucket_public_access_block.{part}_Private_PublicAccess",
        )
        for part in ("Archive", "Quarantine")
    },
    **{
        f"aws_s3_bucket_lifecycle_configuration.{part}_Private_Lifecycle": (
            f"aws_s3_bucket_versioning.{part}_Private_Versioning",
        )
        for part in ("Archive", "Quarantine")
    },
}

IN_PROD: Mapping[str, tuple[str, ...]] = {
    DATABASE: (
        "aws_cloudwatch_log_group.Database_PostgresqlLog",
        "aws_cloudwatch_log_group.Database_UpgradeLog",
        "aws_iam_role_policy.Database_Monitoring_Rights",
    ),
    "aws_s3_bucket_policy.AccessLogs_Private_Policy": (
        "aws_s3_bucket_public_access_block.AccessLogs_Private_PublicAccess",
    ),
    "aws_s3_bucket_object_lock_configuration.Archive_Lock": (
        "aws_s3_bucket_versioning.Archive_Private_Versioning",
    ),
}


@pytest.mark.parametrize("later", BEFORE)
def test_resources_are_created_after_what_they_need(stack: Stack, later: str) -> None:
    assert set(BEFORE[later]) <= reached(graph(stack), later)


@pytest.mark.parametrize("later", IN_PROD)
def test_resources_of_prod_are_created_after_what_they_need(readable: dict[str, Stack], later: str) -> None:
    assert set(IN_PROD[later]) <= reached(graph(readable["prod"]), later)


def test_staging_exports_logs_into_groups_that_are_there(readable: dict[str, Stack]) -> None:
    groups = {address for address in IN_PROD[DATABASE] if address.startswith("aws_cloudwatch_log_group.")}
    assert groups
    assert groups <= reached(graph(readable["staging"]), DATABASE)


@pytest.mark.parametrize("function", [PROCESSOR, MIGRATIONS])
def test_a_function_is_created_after_its_connections_are_allowed(stack: Stack, function: str) -> None:
    """Both rules of each, since the first invocation follows immediately."""
    own_group = function.removeprefix("aws_lambda_function.").replace("_Function", "_Group")
    rules = {
        address
        for address, references in graph(stack).items()
        if address.startswith("aws_vpc_security_group_") and f"aws_security_group.{own_group}" in references
    }
    assert len(rules) >= 4
    assert rules <= reached(graph(stack), function)


def test_gateways_wait_for_the_internet(open_dev: Stack) -> None:
    # https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/nat_gateway
    found = graph(open_dev)
    for address in ("aws_nat_gateway.Network_Nat1", "aws_eip.Network_NatAddress1"):
        assert "aws_internet_gateway.Network_Internet" in reached(found, address)


def test_a_new_password_code_or_database_invokes_the_migrations(stack: Stack) -> None:
    code_hash = stack.named("aws_lambda_function", "Migrations_Private_Function")["source_code_hash"]
    invocation = stack.only("aws_lambda_invocation")
    assert invocation["function_name"] == f"${{{MIGRATIONS}.function_name}}"
    assert invocation["triggers"] == {
        "code": code_hash,
        "writer": "${aws_secretsmanager_secret_version.Writer_Version.version_id}",
        "reader": "${aws_secretsmanager_secret_version.Reader_Version.version_id}",
        "database": f"${{{DATABASE}.resource_id}}",
    }
    assert invocation["input"] == "{}"
    # With CRUD, Terraform would also invoke it on destroy.
    assert invocation.get("lifecycle_scope", "CREATE_ONLY") == "CREATE_ONLY"


def test_references_are_neither_dangling_nor_circular(stack: Stack, irish_prod: Stack) -> None:
    for found in (graph(stack), graph(irish_prod)):
        assert dangling(found) == set()
        TopologicalSorter(found).prepare()


def dangling(graph: Graph) -> set[str]:
    return {reference for references in graph.values() for reference in references} - set(graph)
