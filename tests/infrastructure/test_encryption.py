"""With a key of the team's, everything that can have a key has it, and nothing else changes."""

import inspect
import json
from collections.abc import Iterator, Mapping, Set
from importlib import import_module
from typing import Any

import pytest

from tests.support.synthesized import KEY, Stack

# Arguments about keys that have no key, and why.
WITHOUT = {
    ("aws_athena_workgroup", "kms_key"): "results are in a bucket of ours, not in Athena's",
    ("aws_lambda_event_source_mapping", "kms_key_arn"): "it encrypts the filter, and there is none",
    ("aws_lambda_function", "source_kms_key_arn"): "code is no data, and layers cannot have a key",
    ("aws_s3_bucket", "kms_master_key_id"): "deprecated for a resource of its own",
    ("aws_s3_bucket", "replica_kms_key_id"): "nothing is replicated",
    ("aws_s3_bucket", "sse_kms_encrypted_objects"): "nothing is replicated",
    ("aws_sqs_queue", "kms_data_key_reuse_period_seconds"): "a time",
}
# Blocks that have none.
PLAIN = {
    "AccessLogs_Private_Encryption": "S3 delivers access logs only to buckets that it encrypts itself",
}
ONLY_IN_PROD = {("aws_db_instance", "performance_insights_kms_key_id")}

# Kind → what differs with a key.
DIFFERENT = {
    "aws_athena_workgroup": {"encryption_option", "kms_key_arn"},
    "aws_cloudwatch_log_group": {"kms_key_id"},
    "aws_db_instance": {
        "kms_key_id",
        "master_user_secret_kms_key_id",
        "performance_insights_kms_key_id",
    },
    "aws_elasticache_replication_group": {"kms_key_id"},
    "aws_kinesis_stream": {"kms_key_id"},
    "aws_lambda_function": {"kms_key_arn"},
    "aws_s3_bucket_server_side_encryption_configuration": {
        "bucket_key_enabled",
        "kms_master_key_id",
        "sse_algorithm",
    },
    "aws_secretsmanager_secret": {"kms_key_id"},
    "aws_sns_topic": {"kms_master_key_id"},
    "aws_sqs_queue": {"kms_master_key_id", "sqs_managed_sse_enabled"},
}


def arguments_about_keys(kind: str) -> set[str]:
    """Return the arguments of a kind, nested ones too, whose names speak of KMS."""
    module = import_module(f"cdktf_cdktf_provider_aws.{kind.removeprefix('aws_')}")
    classes = (value for _, value in inspect.getmembers(module, inspect.isclass))
    return {
        argument
        for each in classes
        if each.__module__ == module.__name__
        for argument in inspect.signature(each.__init__).parameters
        if "kms" in argument
    }


def values(node: Any, argument: str) -> Iterator[Any]:
    """Yield the values of an argument anywhere in a block."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == argument:
                yield value
            yield from values(value, argument)
    if isinstance(node, list):
        for value in node:
            yield from values(value, argument)


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_everything_that_can_have_the_key_has_it(encrypted: dict[str, Stack], name: str) -> None:
    stack = encrypted[name]
    for kind in stack.document["resource"]:
        if not kind.startswith("aws_"):
            continue
        for argument in arguments_about_keys(kind) - {no for of, no in WITHOUT if of == kind}:
            absent = name != "prod" and (kind, argument) in ONLY_IN_PROD
            for id_, block in stack.all(kind).items():
                found = list(values(block, argument))
                expected = [] if absent or id_ in PLAIN else [KEY]
                assert found == expected, f"{kind}.{id_}: {argument} is {found}"


def test_what_has_no_key_is_still_there(encrypted: dict[str, Stack]) -> None:
    for kind, argument in WITHOUT:
        assert argument in arguments_about_keys(kind)
    assert set(PLAIN) <= {id_ for _, id_, _ in encrypted["prod"].blocks()}


def without(node: Any, names: Set[str]) -> Any:
    """Return a block without arguments of these names and without statements about keys."""
    match node:
        case dict():
            return {name: without(value, names) for name, value in node.items() if name not in names}
        case list():
            return [without(value, names) for value in node if not is_about_keys(value)]
    return node


def is_about_keys(node: Any) -> bool:
    """Return whether this is a policy's statement whose actions are all of KMS."""
    actions = node.get("actions", ()) if isinstance(node, Mapping) else ()
    return bool(actions) and all(action.startswith("kms:") for action in actions)


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_nothing_else_changes(readable: dict[str, Stack], encrypted: dict[str, Stack], name: str) -> None:
    before, after = readable[name], encrypted[name]
    for kind in DIFFERENT | before.document["resource"] | before.document["data"]:
        names = DIFFERENT.get(kind, set())
        assert without(after.all(kind), names) == without(before.all(kind), names), kind
    others = {"resource", "data"}
    assert without(after.document, others) == without(before.document, others)
    assert {kind for kind, _, _ in after.blocks()} == {kind for kind, _, _ in before.blocks()}


def test_the_queue_has_no_second_encryption(encrypted: dict[str, Stack]) -> None:
    for stack in encrypted.values():
        assert "sqs_managed_sse_enabled" not in stack.only("aws_sqs_queue")


def test_buckets_ask_kms_once_for_many_objects(encrypted: dict[str, Stack]) -> None:
    kind = "aws_s3_bucket_server_side_encryption_configuration"
    for id_, block in (each for stack in encrypted.values() for each in stack.all(kind).items()):
        (rule,) = block["rule"]
        by_default = rule["apply_server_side_encryption_by_default"]
        if id_ in PLAIN:
            assert by_default == {"sse_algorithm": "AES256"}
        else:
            assert (by_default["sse_algorithm"], rule["bucket_key_enabled"]) == ("aws:kms", True)


def test_the_stream_has_the_key(encrypted: dict[str, Stack]) -> None:
    stream = encrypted["prod"].only("aws_kinesis_stream")
    assert (stream["encryption_type"], stream["kms_key_id"]) == ("KMS", KEY)


def test_without_a_key_no_stack_names_one(readable: dict[str, Stack]) -> None:
    assert not [name for name, stack in readable.items() if "arn:aws:kms" in json.dumps(stack.document)]
