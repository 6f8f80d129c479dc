import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import DEV, PERMANENT, THROWAWAY
from tests.support.synthesized import Stack, synthesize_environment

ROOT = Path(__file__).parents[2]
LOGICAL_IDS = Path(__file__).with_name("logical_ids.json")

ALL = (*PERMANENT, THROWAWAY)

# What is lost if a resource is replaced.
HOLD_STATE = {
    "aws_cloudwatch_log_group": "the logs",
    "aws_db_instance": "the catalog",
    "aws_elasticache_replication_group": "the cached products: the database would get all their reads",
    "aws_kinesis_stream": "records that were not processed yet",
    "aws_s3_bucket": "the archive, and what waits in quarantine",
    "aws_secretsmanager_secret": "the logins, whose ARNs the shop holds",
    "aws_sns_topic": "the subscriptions that people confirmed",
    "aws_sqs_queue": "the messages of failed batches",
}
DERIVED = {("aws_s3_bucket", "Queries_Private_Bucket"): "results of queries, which can be asked again"}
HOLD_NO_STATE = {
    "aws_athena_workgroup",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_event_rule",
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_metric_alarm",
    "aws_db_parameter_group",
    "aws_db_subnet_group",
    "aws_default_security_group",
    "aws_eip",
    "aws_elasticache_subnet_group",
    "aws_elasticache_user",
    "aws_elasticache_user_group",
    "aws_flow_log",
    "aws_glue_catalog_database",
    "aws_glue_catalog_table",
    "aws_iam_policy",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_internet_gateway",
    # Its position in the stream; a new one processes records again, which changes nothing.
    "aws_lambda_event_source_mapping",
    "aws_lambda_function",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_invocation",
    "aws_lambda_layer_version",
    "aws_lambda_permission",
    "aws_nat_gateway",
    "aws_route",
    "aws_route_table",
    "aws_route_table_association",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_logging",
    "aws_s3_bucket_notification",
    "aws_s3_bucket_object_lock_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
    "aws_secretsmanager_secret_version",
    "aws_security_group",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
    "aws_sqs_queue_policy",
    "aws_ssm_parameter",
    "aws_subnet",
    "aws_vpc",
    "aws_vpc_endpoint",
    "aws_vpc_security_group_egress_rule",
    "aws_vpc_security_group_ingress_rule",
    "terraform_data",
}

# Arguments in the binding that provider 5.100 lacks, for the kinds we use: from comparing the binding's
# classes with `terraform providers schema -json`.
ONLY_IN_PROVIDER_6 = {
    "aws_cloudwatch_log_group": {"deletion_protection_enabled"},
    "aws_elasticache_replication_group": {"node_group_configuration"},
    "aws_kinesis_stream": {"max_record_size_in_kib"},
    "aws_lambda_function": {
        "capacity_provider_config",
        "durable_config",
        "publish_to",
        "source_kms_key_arn",
        "tenancy_config",
    },
    "aws_lambda_invocation": {"tenant_id"},
    "aws_s3_bucket": {"bucket_namespace"},
    "aws_s3_bucket_public_access_block": {"skip_destroy"},
}

OUTPUTS = {
    # The four of docs/from-the-sketch.md.
    "KinesisStreamName": "${aws_kinesis_stream.Stream.name}",
    "DatabaseEndpoint": "${aws_db_instance.Database_Instance.address}",
    "RedisEndpoint": "${aws_elasticache_replication_group.Cache_ReplicationGroup.primary_endpoint_address}",
    "ArchiveBucket": "${aws_s3_bucket.Archive_Private_Bucket.bucket}",
    # For tools.
    "ArchiveDatabase": "${aws_glue_catalog_database.Queries_Database.name}",
    "ArchiveWorkgroup": "${aws_athena_workgroup.Queries_Workgroup.name}",
    "QuarantineBucket": "${aws_s3_bucket.Quarantine_Private_Bucket.bucket}",
    "FailedBatchQueueUrl": "${aws_sqs_queue.Quarantine_Queue.url}",
    "ProcessorFunctionName": "${aws_lambda_function.Processor_Private_Function.function_name}",
    "MigrationsFunctionName": "${aws_lambda_function.Migrations_Private_Function.function_name}",
    "EventSourceMappingId": "${aws_lambda_event_source_mapping.EventSource_Mapping.uuid}",
    "AdministratorSecretArn": "${aws_db_instance.Database_Instance.master_user_secret[0].secret_arn}",
    "ProcessorSecretArn": "${aws_secretsmanager_secret.Writer_Secret.arn}",
    "AlarmTopicArn": "${aws_sns_topic.Alarms_Topic.arn}",
    "DashboardName": "product-catalog-{name}",
    # For suppliers, operators and the shop.
    "ProducerPolicyArn": "${aws_iam_policy.Suppliers_Policy.arn}",
    "ReaderSecretArn": "${aws_secretsmanager_secret.Reader_Secret.arn}",
    "OperatorReadPolicyArn": "${aws_iam_policy.Operators_ReadPolicy.arn}",
    "OperatorRedrivePolicyArn": "${aws_iam_policy.Operators_RedrivePolicy.arn}",
    "OperatorReplayPolicyArn": "${aws_iam_policy.Operators_ReplayPolicy.arn}",
    "ShopPolicyArn": "${aws_iam_policy.Shop_Policy.arn}",
    "ShopSecurityGroupId": "${aws_security_group.Shop_Group.id}",
    "ShopCacheUser": "${aws_elasticache_user.Cache_Shop_User.user_name}",
    "CacheClusterId": "${aws_elasticache_replication_group.Cache_ReplicationGroup.replication_group_id}",
    # For the network around this one.
    "VpcId": "${aws_vpc.Network_Vpc.id}",
    "DatabaseSecurityGroupId": "${aws_security_group.Database_Group.id}",
    "CacheSecurityGroupId": "${aws_security_group.Cache_Group.id}",
}
# One per zone.
LISTS = {
    "PrivateSubnetIds": "aws_route_table_association.Network_Private{}RoutesOf.subnet_id",
    "PrivateRouteTableIds": "aws_route_table_association.Network_Private{}RoutesOf.route_table_id",
}


def test_one_stack_per_environment_and_one_for_the_suffix(stacks: dict[str, Stack]) -> None:
    assert set(stacks) == {f"{name}-stack" for name in ALL}


def test_the_throwaway_stack_is_dev_under_another_name(stacks: dict[str, Stack]) -> None:
    throwaway, dev = (json.dumps(stacks[f"{name}-stack"].document) for name in (THROWAWAY, "dev"))
    identifier = THROWAWAY.replace("-", "_")
    assert throwaway.replace(THROWAWAY, "dev").replace(identifier, "dev") == dev


@pytest.mark.parametrize("name", PERMANENT)
def test_only_prod_keeps_what_holds_state(readable: dict[str, Stack], name: str) -> None:
    kept = {
        (kind, logical_id)
        for kind, logical_id, body in readable[name].blocks()
        if body.get("lifecycle", {}).get("prevent_destroy")
    }
    holding = {(kind, logical_id) for kind, logical_id, _ in readable[name].blocks() if kind in HOLD_STATE}
    assert kept == (holding - DERIVED.keys() if name == "prod" else set())


def test_of_every_kind_of_resource_it_is_known_whether_it_holds_state(
    readable: dict[str, Stack], open_dev: Stack, guest_prod: Stack, peered_dev: Stack
) -> None:
    """A new kind is added to HOLD_STATE, or to HOLD_NO_STATE."""
    for stack in (*readable.values(), open_dev, guest_prod, peered_dev):
        kinds = set(stack.document["resource"])
        assert not kinds - set(HOLD_STATE) - HOLD_NO_STATE
        assert set(HOLD_STATE) <= kinds


@pytest.mark.parametrize(("name", "groups", "days"), [("dev", 2, 7), ("staging", 4, 30), ("prod", 5, 365)])
def test_every_log_group_obeys_one_setting(
    readable: dict[str, Stack], name: str, groups: int, days: int
) -> None:
    found = readable[name].all("aws_cloudwatch_log_group").values()
    assert [group["retention_in_days"] for group in found] == [days] * groups


@pytest.mark.parametrize("name", ALL)
def test_outputs_keep_their_names(readable: dict[str, Stack], name: str) -> None:
    outputs = readable[name].document["output"]
    zones = range(1, 1 + len(readable[name].all("aws_subnet")))
    assert {id_: output["value"] for id_, output in outputs.items()} == {
        **{id_: value.replace("{name}", name) for id_, value in OUTPUTS.items()},
        **{id_: f"${{tolist([{', '.join(map(value.format, zones))}])}}" for id_, value in LISTS.items()},
    }
    assert all(output["description"] for output in outputs.values())


def logical_ids(stacks: Mapping[str, Stack]) -> dict[str, list[str]]:
    """Return the permanent environments' logical ids, each with its kind, in order."""
    return {
        f"{name}-stack": sorted(
            f"{kind}.{logical_id}" for kind, logical_id, _ in stacks[f"{name}-stack"].blocks()
        )
        for name in PERMANENT
    }


def test_logical_ids_stay(stacks: dict[str, Stack]) -> None:
    """A renamed logical id makes Terraform destroy the old resource and create a new one."""
    found, kept = logical_ids(stacks), json.loads(LOGICAL_IDS.read_text())
    changed = {name: sorted(set(ids).symmetric_difference(kept.get(name, ()))) for name, ids in found.items()}
    assert found == kept, f"new or gone: {changed}; if meant: .venv/bin/python scripts/logical_ids.py"


@pytest.mark.parametrize("name", ALL)
def test_nothing_depends_on_the_machine_that_synthesizes(readable: dict[str, Stack], name: str) -> None:
    of_this_machine = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}
    for string in readable[name].strings():
        assert not any(mention in string for mention in of_this_machine)
        # Names of log groups and parameters look like paths.
        assert not re.match(r"/(?!aws/|product-catalog/)|[A-Za-z]:\\", string)


def test_the_region_is_only_in_its_setting(irish_prod: Stack) -> None:
    text = json.dumps(irish_prod.document)
    assert "us-east-1" not in text
    assert not re.search(r"\barn:aws", text)


def test_no_account_is_written_down(stack: Stack, prod_from_ci: Stack) -> None:
    twelve_digits = re.compile(r"(?<![0-9A-Za-z.])[0-9]{12}(?![0-9A-Za-z])")
    assert not [string for string in stack.strings() if twelve_digits.search(string)]
    found = [string for string in prod_from_ci.strings() if twelve_digits.search(string)]
    assert set(found) == {
        "123456789012",
        "arn:aws:iam::123456789012:policy/team/product-catalog-functions",
    }, "allowed_account_ids and the permissions boundary"


def test_no_expression_is_escaped(stack: Stack) -> None:
    """Terraform reads `$${` as text; cdktf escapes a `${` that it does not recognize as an expression."""
    text = json.dumps(stack.document)
    for column in ("dt", "shard"):
        # Athena's own, in the places of partitions.
        text = text.replace(f"$${{{column}}}/", "")
    assert "$${" not in text


def test_the_output_is_the_same_elsewhere(stacks: dict[str, Stack], tmp_path: Path) -> None:
    """Synthesize in another folder, process, hash order, time zone and language."""
    program = (
        "from pathlib import Path; from tests.support.environments import DEV, PROD; "
        "from tests.support.synthesized import synthesize_environment as synthesize; "
        "[(Path(e.name).mkdir(), synthesize(e, Path(e.name).absolute())) for e in (DEV, PROD)]"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "1",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
    }
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)  # noqa: S603
    for name in ("dev", "prod"):
        folder = tmp_path / name / "cdktf.out" / "stacks" / f"{name}-stack"
        document = json.loads((folder / "cdk.tf.json").read_text())
        # Also in the same order.
        assert json.dumps(document) == json.dumps(stacks[f"{name}-stack"].document)
        assets = files_of(document)
        assert len(assets) == 2
        assert all((folder / asset).is_file() for asset in assets)


@pytest.mark.parametrize("name", ALL)
def test_arguments_of_only_provider_6_are_avoided(stacks: dict[str, Stack], name: str) -> None:
    stack = stacks[f"{name}-stack"]
    for kind, logical_id, body in stack.blocks():
        refused = {"region"} | ONLY_IN_PROVIDER_6.get(kind, set())
        assert not refused & set(body), logical_id


def test_keys_that_come_with_a_request_are_refused_where_the_provider_can(
    readable: dict[str, Stack], tmp_path: Path
) -> None:
    kind = "aws_s3_bucket_server_side_encryption_configuration"
    stacks = [readable[name] for name in ALL]
    rules = [body["rule"][0] for stack in stacks for body in stack.all(kind).values()]
    assert len(rules) >= 2 * len(ALL)
    assert all(rule["blocked_encryption_types"] == ["SSE-C"] for rule in rules)
    wide = synthesize_environment(DEV, tmp_path, variables={"CATALOG_WIDE_PROVIDER": "1"})
    assert wide.all(kind)
    assert "blocked_encryption_types" not in json.dumps(wide.document)


@pytest.mark.parametrize("name", ALL)
def test_the_provider_tags_everything(readable: dict[str, Stack], name: str) -> None:
    document = readable[name].document
    assert document["terraform"]["required_providers"] == {"aws": {"source": "aws", "version": "6.25.0"}}
    assert document["provider"]["aws"] == [
        {
            "region": "us-east-1",
            "default_tags": [
                {"tags": {"Project": "product-catalog", "Environment": name, "ManagedBy": "cdktf"}}
            ],
        }
    ]


def test_terraform_is_one_that_keeps_passwords_out_of_the_state(stack: Stack) -> None:
    """1.11 is the first with write-only arguments: https://developer.hashicorp.com/terraform/language/v1.11.x."""
    assert stack.document["terraform"]["required_version"] == ">= 1.11"


def test_no_resource_chooses_another_provider(stack: Stack) -> None:
    """It would get that provider's tags."""
    assert not [logical_id for _, logical_id, body in stack.blocks() if "provider" in body]


def files_of(document: Any) -> set[str]:
    """Return the paths of all files that Terraform uploads."""
    resources = document["resource"]
    bodies = [*resources["aws_lambda_function"].values(), *resources["aws_lambda_layer_version"].values()]
    return {body["filename"] for body in bodies}
