from typing import Any

import pytest

from tests.support.environments import PERMANENT, THROWAWAY
from tests.support.synthesized import Stack

ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
BUCKETS = {
    "Archive": "product-inventory-archive",
    "Quarantine": "inventory-quarantine",
    "Queries": "product-catalog-queries",
}
# Results of queries can be asked again: test_archive_queries.py has what differs.
DERIVED = "Queries"
IN_PROD = {"AccessLogs": "product-catalog-access"}
EVERYTHING = [{"prefix": ""}]
EXPIRY = [
    {
        "id": "expiry",
        "status": "Enabled",
        "filter": EVERYTHING,
        "expiration": [{"days": 1095}],
        "noncurrent_version_expiration": [{"noncurrent_days": 30}],
    },
    {
        "id": "leftovers",
        "status": "Enabled",
        "filter": EVERYTHING,
        "expiration": [{"expired_object_delete_marker": True}],
        "abort_incomplete_multipart_upload": [{"days_after_initiation": 7}],
    },
]
TIERING = {
    "id": "tiering",
    "status": "Enabled",
    "filter": [{"object_size_greater_than": 131_072}],
    "transition": [
        {"days": 30, "storage_class": "INTELLIGENT_TIERING"},
        {"days": 90, "storage_class": "GLACIER_IR"},
    ],
}


@pytest.mark.parametrize(("name", "shards"), [("dev", 2), ("staging", 2), ("prod", 4)])
def test_the_stream(readable: dict[str, Stack], name: str, shards: int) -> None:
    stream = dict(readable[name].only("aws_kinesis_stream"))
    del stream["//"], stream["lifecycle"]
    assert stream == {
        "name": f"inventory-updates-{name}",
        "stream_mode_details": {"stream_mode": "PROVISIONED"},
        "shard_count": shards,
        # A week: unless it exceeds the maximum record age, records would expire unreported.
        "retention_period": 168,
        "encryption_type": "KMS",
        "kms_key_id": "alias/aws/kinesis",
    }


def test_an_on_demand_stream_has_no_shard_count(irish_prod: Stack) -> None:
    stream = irish_prod.only("aws_kinesis_stream")
    assert stream["stream_mode_details"] == {"stream_mode": "ON_DEMAND"}
    assert "shard_count" not in stream


@pytest.mark.parametrize("name", [*PERMANENT, THROWAWAY])
def test_buckets_have_the_account_in_their_names(readable: dict[str, Stack], name: str) -> None:
    buckets = readable[name].all("aws_s3_bucket").items()
    assert {id_.removesuffix("_Private_Bucket"): bucket["bucket"] for id_, bucket in buckets} == {
        part: f"{base}-{ACCOUNT}-{name}"
        for part, base in (BUCKETS | IN_PROD if name == "prod" else BUCKETS).items()
    }


@pytest.mark.parametrize(
    ("name", "force_destroy", "locked"),
    [("dev", True, []), ("staging", False, []), ("prod", False, ["Archive"])],
)
def test_environments_differ_in_what_protects_data(
    readable: dict[str, Stack], name: str, *, force_destroy: bool, locked: list[str]
) -> None:
    for part in parts(readable[name]):
        bucket = readable[name].named("aws_s3_bucket", f"{part}_Private_Bucket")
        assert bucket["force_destroy"] is (force_destroy or part == DERIVED)
        assert bucket["object_lock_enabled"] is (part in locked)
    assert list(readable[name].all("aws_s3_bucket_object_lock_configuration")) == [
        f"{part}_Lock" for part in locked
    ]


def test_prod_locks_archived_objects_for_three_years(readable: dict[str, Stack]) -> None:
    lock = readable["prod"].only("aws_s3_bucket_object_lock_configuration")
    assert lock["bucket"] == "${aws_s3_bucket.Archive_Private_Bucket.id}"
    assert lock["rule"] == {"default_retention": {"mode": "GOVERNANCE", "days": 1095}}


@pytest.mark.parametrize(
    ("kind", "construct", "arguments"),
    [
        ("aws_s3_bucket_versioning", "Versioning", {"versioning_configuration": {"status": "Enabled"}}),
        (
            "aws_s3_bucket_public_access_block",
            "PublicAccess",
            {
                "block_public_acls": True,
                "block_public_policy": True,
                "ignore_public_acls": True,
                "restrict_public_buckets": True,
            },
        ),
        (
            "aws_s3_bucket_ownership_controls",
            "Ownership",
            {"rule": {"object_ownership": "BucketOwnerEnforced"}},
        ),
        (
            "aws_s3_bucket_server_side_encryption_configuration",
            "Encryption",
            {
                "rule": [
                    {
                        "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"},
                        "blocked_encryption_types": ["SSE-C"],
                    }
                ]
            },
        ),
        (
            "aws_s3_bucket_lifecycle_configuration",
            "Lifecycle",
            {"transition_default_minimum_object_size": "all_storage_classes_128K"},
        ),
        (
            "aws_s3_bucket_policy",
            "Policy",
            {"policy": "${{data.aws_iam_policy_document.{part}_Private_TlsOnly.json}}"},
        ),
    ],
)
def test_every_bucket_is_private_encrypted_and_versioned(
    stack: Stack, kind: str, construct: str, arguments: dict[str, Any]
) -> None:
    for part in parts(stack):
        found = stack.named(kind, f"{part}_Private_{construct}")
        assert found["bucket"] == f"${{aws_s3_bucket.{part}_Private_Bucket.id}}"
        for argument, expected in arguments.items():
            wanted = expected.format(part=part) if argument == "policy" else expected
            assert found[argument] == wanted


def test_buckets_refuse_plain_http(stack: Stack) -> None:
    """test_aws_logs.py has what else the policy of the access logs' bucket says."""
    for part in parts(stack):
        arn = f"${{aws_s3_bucket.{part}_Private_Bucket.arn}}"
        statements = stack.named("aws_iam_policy_document", f"{part}_Private_TlsOnly")["statement"]
        assert statements[-1] == tls_only("s3:*", [arn, f"{arn}/*"])
        assert len(statements) == (2 if part in IN_PROD else 1)


def test_objects_expire_after_three_years_and_archived_ones_change_storage_class(stack: Stack) -> None:
    for part in parts(stack):
        lifecycle = stack.named("aws_s3_bucket_lifecycle_configuration", f"{part}_Private_Lifecycle")
        if part != DERIVED:
            assert lifecycle["rule"] == ([TIERING, *EXPIRY] if part == "Archive" else EXPIRY)
        assert lifecycle["depends_on"] == [f"aws_s3_bucket_versioning.{part}_Private_Versioning"]


@pytest.mark.parametrize("name", [*PERMANENT, THROWAWAY])
def test_the_queue_keeps_its_messages_for_14_days(readable: dict[str, Stack], name: str) -> None:
    queue = dict(readable[name].only("aws_sqs_queue"))
    del queue["//"], queue["lifecycle"]
    assert queue == {
        "name": f"inventory-processor-dlq-{name}",
        "message_retention_seconds": 1_209_600,
        "sqs_managed_sse_enabled": True,
    }


def test_only_failed_batches_are_sent_to_the_queue(stack: Stack) -> None:
    notification = stack.only("aws_s3_bucket_notification")
    assert notification["bucket"] == "${aws_s3_bucket.Quarantine_Private_Bucket.id}"
    assert notification["queue"] == [
        {
            "id": "failed-batches",
            "queue_arn": "${aws_sqs_queue.Quarantine_Queue.arn}",
            "events": ["s3:ObjectCreated:*"],
            "filter_prefix": "aws/lambda/",
        }
    ]


def test_only_our_bucket_may_send_to_the_queue(stack: Stack) -> None:
    policy = stack.only("aws_sqs_queue_policy")
    assert policy["queue_url"] == "${aws_sqs_queue.Quarantine_Queue.url}"
    assert policy["policy"] == "${data.aws_iam_policy_document.Quarantine_QueueAccess.json}"
    queue = "${aws_sqs_queue.Quarantine_Queue.arn}"
    assert stack.named("aws_iam_policy_document", "Quarantine_QueueAccess")["statement"] == [
        {
            "sid": "BucketSends",
            "actions": ["sqs:SendMessage"],
            "resources": [queue],
            "principals": [{"type": "Service", "identifiers": ["s3.amazonaws.com"]}],
            "condition": [
                {
                    "test": "ArnEquals",
                    "variable": "aws:SourceArn",
                    "values": ["${aws_s3_bucket.Quarantine_Private_Bucket.arn}"],
                },
                {"test": "StringEquals", "variable": "aws:SourceAccount", "values": [ACCOUNT]},
            ],
        },
        tls_only("sqs:*", [queue]),
    ]


def tls_only(action: str, resources: list[str]) -> dict[str, Any]:
    return {
        "sid": "TlsOnly",
        "effect": "Deny",
        "actions": [action],
        "resources": resources,
        "principals": [{"type": "*", "identifiers": ["*"]}],
        "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }


def parts(stack: Stack) -> list[str]:
    """Return the parts that have a bucket; their names are tested above."""
    return [id_.removesuffix("_Private_Bucket") for id_ in stack.all("aws_s3_bucket")]
