"""Mistakes in prod-stack with a key of the team's."""

from dataclasses import replace

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in
from tests.support.synthesized import ENCRYPTED, KEY

_HAS_KEY = "infrastructure/test_encryption.py::test_everything_that_can_have_the_key_has_it"
_MAY = "infrastructure/test_encryption_rights.py::test_each_may_what_it_needs_and_no_more"
_RULE = "rule.0.apply_server_side_encryption_by_default"
_SAME = "infrastructure/test_encryption.py::test_nothing_else_changes"
_ACTIONS = "infrastructure/test_encryption_rights.py::test_nobody_has_another_action_of_kms"
_BUCKET = "aws_s3_bucket_server_side_encryption_configuration."
_POLICY = "data.aws_iam_policy_document."

_MISTAKES = [
    *mistakes_in(
        "aws_sns_topic.Alarms_Topic",
        _HAS_KEY,
        ("a key with which alarms cannot publish", "kms_master_key_id", "alias/aws/sns"),
    ),
    *mistakes_in(
        "aws_sqs_queue.Quarantine_Queue", _HAS_KEY, ("a queue without the key", "kms_master_key_id", REMOVED)
    ),
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _HAS_KEY,
        ("a key by an alias, which each plan replaces", "kms_key_id", "alias/catalog"),
        ("insights without the key", "performance_insights_kms_key_id", REMOVED),
        ("an administrator's login without the key", "master_user_secret_kms_key_id", REMOVED),
    ),
    *mistakes_in(
        "aws_lambda_function.Migrations_Private_Function",
        _HAS_KEY,
        ("environment variables without the key", "kms_key_arn", REMOVED),
    ),
    *mistakes_in(
        f"{_BUCKET}AccessLogs_Private_Encryption",
        _HAS_KEY,
        ("access logs that S3 cannot deliver", f"{_RULE}.kms_master_key_id", KEY),
    ),
    *mistakes_in(
        f"{_BUCKET}Archive_Private_Encryption",
        "infrastructure/test_encryption.py::test_buckets_ask_kms_once_for_many_objects",
        ("a request to KMS for each object", "rule.0.bucket_key_enabled", False),
    ),
    *mistakes_in(
        "aws_kinesis_stream.Stream",
        "infrastructure/test_encryption.py::test_the_stream_has_the_key",
        ("a stream with AWS's key", "kms_key_id", "alias/aws/kinesis"),
    ),
    *mistakes_in(
        f"{_POLICY}Suppliers_May",
        _MAY,
        ("suppliers who may decrypt the stream", "statement.1.actions.0", "kms:Decrypt"),
        ("a key that suppliers may use for anything", "statement.1.condition", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}Shop_May", _MAY, ("a shop with rights on every key", "statement.1.resources", ["*"])
    ),
    *mistakes_in(
        f"{_POLICY}Operators_ReadMay",
        _MAY,
        ("queries whose results nobody may write", "statement.4", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_RedriveMay",
        _MAY,
        ("messages that may be decrypted without the queue", "statement.2.condition", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May",
        _MAY,
        ("a function without its environment variables", "statement.4", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May",
        _ACTIONS,
        ("a processor that encrypts again", "statement.9.actions.1", "kms:ReEncryptTo"),
        ("a processor that describes the key", "statement.9.actions.1", "kms:DescribeKey"),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May",
        _SAME,
        ("with a key, every log group", "statement.0.resources", ["*"]),
    ),
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _SAME,
        ("with a key, a database that is not encrypted", "storage_encrypted", False),
        ("with a key, a database in one zone", "multi_az", False),
    ),
    *mistakes_in(
        "aws_elasticache_replication_group.Cache_ReplicationGroup",
        _SAME,
        ("with a key, a cache that is not encrypted", "at_rest_encryption_enabled", "false"),
    ),
    *mistakes_in(
        "aws_s3_bucket_public_access_block.Archive_Private_PublicAccess",
        _SAME,
        ("with a key, a public bucket", "block_public_policy", False),
    ),
    *mistakes_in(
        "aws_sqs_queue.Quarantine_Queue",
        "infrastructure/test_encryption.py::test_the_queue_has_no_second_encryption",
        ("a queue with two encryptions", "sqs_managed_sse_enabled", True),
    ),
]

ENCRYPTION = [replace(each, folder=ENCRYPTED) for each in _MISTAKES]
