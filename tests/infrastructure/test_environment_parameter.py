"""What a stack writes to SSM is what the operators' program reads."""

import json
import re
from dataclasses import MISSING, fields
from typing import Any

from catalog.environment import PARAMETER, Environment
from tests.support.synthesized import Stack

ADDRESSES = {
    "stream_name": "${aws_kinesis_stream.Stream.name}",
    "archive_bucket": "${aws_s3_bucket.Archive_Private_Bucket.bucket}",
    "quarantine_bucket": "${aws_s3_bucket.Quarantine_Private_Bucket.bucket}",
    "queue_url": "${aws_sqs_queue.Quarantine_Queue.url}",
    "function_name": "${aws_lambda_function.Processor_Private_Function.function_name}",
    "database_host": "${aws_db_instance.Database_Instance.address}",
    "database_secret_arn": "${aws_secretsmanager_secret.Writer_Secret.arn}",
    "reader_secret_arn": "${aws_secretsmanager_secret.Reader_Secret.arn}",
    "cache_host": "${aws_elasticache_replication_group.Cache_ReplicationGroup.primary_endpoint_address}",
    "cache_user": "${aws_elasticache_user.Cache_Shop_User.user_name}",
    "cache_writer_user": "${aws_elasticache_user.Cache_Processor_User.user_name}",
    "cache_cluster_id": "${aws_elasticache_replication_group.Cache_ReplicationGroup.replication_group_id}",
    "athena_workgroup": "${aws_athena_workgroup.Queries_Workgroup.name}",
    "glue_database": "${aws_glue_catalog_database.Queries_Database.name}",
}
# Of a kept local run, or from environment variables.
LOCAL = {"endpoint_url", "variables", "database_tls_name", "cache_tls_name"}


def members_of(stack: Stack) -> dict[str, Any]:
    """Return the parameter's members."""
    members: dict[str, Any] = json.loads(stack.only("aws_ssm_parameter")["value"])
    return members


def test_it_has_every_member_that_the_program_reads(stack: Stack) -> None:
    members = members_of(stack)
    assert set(members) == {field.name for field in fields(Environment)} - LOCAL
    assert all(field.default is not MISSING for field in fields(Environment) if field.name in LOCAL)
    environment = Environment(**members)
    types = {"database_port": int, "cache_port": int, "database_tls": bool, "cache_tls": bool}
    for name, value in members.items():
        assert type(value) is types.get(name, str), name
    assert environment.database_tls
    assert environment.cache_tls


def test_the_members_are_the_stacks_own(stack: Stack) -> None:
    members = members_of(stack)
    assert {name: members[name] for name in ADDRESSES} == ADDRESSES
    assert (members["database_port"], members["cache_port"]) == (5432, 6379)
    assert not any(re.search(r"password", str(value), re.IGNORECASE) for value in members.values())


def test_the_program_looks_for_it_by_the_environments_name(stack: Stack) -> None:
    parameter = stack.only("aws_ssm_parameter")
    name = members_of(stack)["name"]
    assert (parameter["name"], parameter["type"]) == (PARAMETER.format(name=name), "String")
    # A standard parameter holds 4 KB, and a reference is seldom shorter than what it stands for.
    assert len(parameter["value"]) < 4096
