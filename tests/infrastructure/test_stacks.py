import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from main import chosen_deployment, chosen_environments
from stacks.binding import NODE_VARIABLE
from stacks.environments import SettingsError

from .synthesized import THROWAWAY, Stack

ROOT = Path(__file__).parents[2]
LOGICAL_IDS = Path(__file__).with_name("logical_ids.json")

PERMANENT = ("dev-stack", "staging-stack", "prod-stack")
ALL = (*PERMANENT, f"{THROWAWAY}-stack")

HOLDS_DATA = {"aws_kinesis_stream", "aws_s3_bucket"}

# Arguments that provider 6 has and 5.100 has not, where our constructs could be tempted.
ONLY_IN_PROVIDER_6 = {
    "aws_cloudwatch_log_group": {"deletion_protection_enabled"},
    "aws_kinesis_stream": {"max_record_size_in_kib"},
    "aws_s3_bucket": {"bucket_namespace"},
    "aws_s3_bucket_public_access_block": {"skip_destroy"},
}


def test_a_stack_an_environment_and_one_for_the_suffix(stacks: dict[str, Stack]) -> None:
    assert set(stacks) == set(ALL)


def test_the_throwaway_stack_is_dev_under_another_name(stacks: dict[str, Stack]) -> None:
    throwaway, dev = (json.dumps(stacks[f"{name}-stack"].document) for name in (THROWAWAY, "dev"))
    assert throwaway.replace(THROWAWAY, "dev") == dev


@pytest.mark.parametrize("stack_id", ALL)
@pytest.mark.parametrize(
    ("kind", "argument", "expected"),
    [
        ("aws_kinesis_stream", "name", "inventory-updates-{name}"),
        ("aws_kinesis_stream", "retention_period", 168),
        ("aws_kinesis_stream", "encryption_type", "KMS"),
        ("aws_kinesis_stream", "kms_key_id", "alias/aws/kinesis"),
        ("aws_kinesis_stream", "stream_mode_details", {"stream_mode": "PROVISIONED"}),
        ("aws_kinesis_stream", "shard_count", 2),
        (
            "aws_s3_bucket",
            "bucket",
            "product-inventory-archive-${{data.aws_caller_identity.Account.account_id}}-{name}",
        ),
        ("aws_s3_bucket_versioning", "versioning_configuration", {"status": "Enabled"}),
        ("aws_s3_bucket_public_access_block", "block_public_acls", True),
        ("aws_s3_bucket_public_access_block", "block_public_policy", True),
        ("aws_s3_bucket_public_access_block", "ignore_public_acls", True),
        ("aws_s3_bucket_public_access_block", "restrict_public_buckets", True),
        ("aws_s3_bucket_ownership_controls", "rule", {"object_ownership": "BucketOwnerEnforced"}),
        (
            "aws_s3_bucket_server_side_encryption_configuration",
            "rule",
            [{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        ),
        (
            "aws_s3_bucket_lifecycle_configuration",
            "transition_default_minimum_object_size",
            "all_storage_classes_128K",
        ),
    ],
)
def test_every_environment_has(
    stacks: dict[str, Stack], stack_id: str, kind: str, argument: str, expected: object
) -> None:
    if isinstance(expected, str):
        expected = expected.format(name=stack_id.removesuffix("-stack"))
    assert stacks[stack_id].only(kind)[argument] == expected


@pytest.mark.parametrize(
    ("stack_id", "force_destroy", "prevent_destroy", "locked"),
    [
        ("dev-stack", True, False, False),
        (f"{THROWAWAY}-stack", True, False, False),
        ("staging-stack", False, False, False),
        ("prod-stack", False, True, True),
    ],
)
def test_environments_differ_in_what_protects_data(
    stacks: dict[str, Stack], stack_id: str, *, force_destroy: bool, prevent_destroy: bool, locked: bool
) -> None:
    bucket = stacks[stack_id].only("aws_s3_bucket")
    assert (bucket["force_destroy"], bucket["object_lock_enabled"]) == (force_destroy, locked)
    for kind, logical_id, body in stacks[stack_id].blocks():
        if kind in HOLDS_DATA:
            assert body["lifecycle"]["prevent_destroy"] is prevent_destroy, logical_id


def test_prod_locks_what_it_archives_for_three_years(stacks: dict[str, Stack]) -> None:
    lock = stacks["prod-stack"].only("aws_s3_bucket_object_lock_configuration")
    assert lock["rule"] == {"default_retention": {"mode": "GOVERNANCE", "days": 1095}}


@pytest.mark.parametrize("stack_id", ALL)
def test_objects_grow_cheaper_then_expire(stacks: dict[str, Stack], stack_id: str) -> None:
    rules = stacks[stack_id].only("aws_s3_bucket_lifecycle_configuration")["rule"]
    everything = [{"prefix": ""}]
    assert rules == [
        {
            "id": "tiering",
            "status": "Enabled",
            "filter": [{"object_size_greater_than": 1}],
            "transition": [
                {"days": 30, "storage_class": "INTELLIGENT_TIERING"},
                {"days": 90, "storage_class": "GLACIER_IR"},
            ],
        },
        {
            "id": "expiry",
            "status": "Enabled",
            "filter": everything,
            "expiration": [{"days": 1095}],
            "noncurrent_version_expiration": [{"noncurrent_days": 30}],
        },
        {
            "id": "leftovers",
            "status": "Enabled",
            "filter": everything,
            "expiration": [{"expired_object_delete_marker": True}],
            "abort_incomplete_multipart_upload": [{"days_after_initiation": 7}],
        },
    ]


@pytest.mark.parametrize("stack_id", ALL)
def test_the_archive_refuses_plain_http(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    (bucket_id,) = stack.document["resource"]["aws_s3_bucket"]
    (document_id,) = stack.document["data"]["aws_iam_policy_document"]
    arn = f"${{aws_s3_bucket.{bucket_id}.arn}}"
    assert stack.only("aws_iam_policy_document")["statement"] == [
        {
            "sid": "TlsOnly",
            "effect": "Deny",
            "actions": ["s3:*"],
            "resources": [arn, f"{arn}/*"],
            "principals": [{"type": "*", "identifiers": ["*"]}],
            "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
        }
    ]
    assert (
        stack.only("aws_s3_bucket_policy")["policy"]
        == f"${{data.aws_iam_policy_document.{document_id}.json}}"
    )


@pytest.mark.parametrize("stack_id", ALL)
def test_outputs_keep_their_names(stacks: dict[str, Stack], stack_id: str) -> None:
    assert set(stacks[stack_id].document["output"]) == {"KinesisStreamName", "ArchiveBucket"}


def test_logical_ids_stay(stacks: dict[str, Stack]) -> None:
    """A renamed logical id makes Terraform destroy the old resource and create a new one."""
    found = {
        stack_id: sorted(f"{kind}.{logical_id}" for kind, logical_id, _ in stacks[stack_id].blocks())
        for stack_id in PERMANENT
    }
    assert found == json.loads(LOGICAL_IDS.read_text()), (
        f"If the change is meant, {LOGICAL_IDS.name} becomes:\n{json.dumps(found, indent=2)}"
    )


@pytest.mark.parametrize("stack_id", ALL)
def test_nothing_depends_on_the_machine_that_synthesizes(stacks: dict[str, Stack], stack_id: str) -> None:
    for string in strings(stacks[stack_id].document):
        assert str(ROOT) not in string
        # Log groups have names that look like paths.
        assert not re.match(r"/(?!aws/)|[A-Za-z]:\\", string)


@pytest.mark.parametrize("stack_id", ALL)
def test_arguments_of_provider_6_alone_are_avoided(stacks: dict[str, Stack], stack_id: str) -> None:
    for kind, logical_id, body in stacks[stack_id].blocks():
        refused = {"region"} | ONLY_IN_PROVIDER_6.get(kind, set())
        assert not refused & set(body), logical_id


@pytest.mark.parametrize("stack_id", ALL)
def test_the_provider(stacks: dict[str, Stack], stack_id: str) -> None:
    document = stacks[stack_id].document
    assert document["terraform"]["required_providers"] == {"aws": {"source": "aws", "version": "6.25.0"}}
    assert document["provider"]["aws"] == [
        {
            "region": "us-east-1",
            "default_tags": [
                {
                    "tags": {
                        "Project": "product-catalog",
                        "Environment": stack_id.removesuffix("-stack"),
                        "ManagedBy": "cdktf",
                    }
                }
            ],
        }
    ]


@pytest.mark.parametrize("stack_id", ALL)
def test_the_state_is_kept_outside_what_synth_rewrites(stacks: dict[str, Stack], stack_id: str) -> None:
    backend = stacks[stack_id].document["terraform"]["backend"]
    assert backend == {"local": {"path": f"../../../terraform.{stack_id}.tfstate"}}


def test_environment_variables_say_how_to_deploy(prod_from_ci: Stack) -> None:
    document = prod_from_ci.document
    assert document["terraform"] == {
        "required_providers": {"aws": {"source": "aws", "version": ">= 5.100.0, < 7.0.0"}},
        "backend": {
            "s3": {
                "bucket": "states",
                "key": "product-catalog/prod-stack.tfstate",
                "region": "eu-west-1",
                "encrypt": True,
                "use_lockfile": True,
            }
        },
    }
    assert document["provider"]["aws"][0]["allowed_account_ids"] == ["123456789012"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENVIRONMENT_SUFFIX", "PR-42"),
        ("CATALOG_ACCOUNT_ID", "12345678901"),
        ("CATALOG_ACCOUNT_ID", "12345678901x"),
        ("CATALOG_WIDE_PROVIDER", "yes"),
    ],
)
def test_a_wrong_environment_variable_is_refused_in_one_line(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} is '{value}'; accepted: [^\n]+$"):
        chosen_environments({variable: value}), chosen_deployment({variable: value})


def test_main_alone_writes_every_stack_and_prints_nothing(tmp_path: Path) -> None:
    """No network, no credentials, no Node of the machine's and hence no end-of-life banner."""
    absent = {NODE_VARIABLE, "ENVIRONMENT_SUFFIX", "CDKTF_OUTDIR"}
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in absent and not name.startswith(("AWS_", "CATALOG_"))
    }
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", str(ROOT / "main.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    manifest = json.loads((tmp_path / "cdktf.out" / "manifest.json").read_text())
    assert set(manifest["stacks"]) == set(PERMANENT)


def strings(node: Any) -> Iterator[str]:
    """Yield every string value in parsed JSON."""
    match node:
        case str():
            yield node
        case dict():
            for value in node.values():
                yield from strings(value)
        case list():
            for value in node:
                yield from strings(value)
