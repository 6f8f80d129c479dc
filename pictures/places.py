"""Where each kind of resource is in the picture of the architecture: a box of its own, or why it has none."""

from collections.abc import Mapping
from dataclasses import dataclass


class PictureError(Exception):
    """Something of a stack that the picture has no place for."""


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A box: its title, and its cell, counted from the top left."""

    title: str
    column: int
    row: int
    is_person: bool = False


# What several resources share is one box: an actor's policies, an alarm beside the dashboard.
PLACES: Mapping[tuple[str, str], Place] = {
    ("aws_iam_policy", "Suppliers"): Place(title="Suppliers", column=0, row=0, is_person=True),
    ("aws_kinesis_stream", "Stream"): Place(title="Kinesis stream", column=0, row=1),
    ("aws_lambda_event_source_mapping", "EventSource"): Place(title="Event source mapping", column=0, row=2),
    ("aws_cloudwatch_event_rule", "Drain"): Place(title="EventBridge rule", column=0, row=3),
    ("aws_lambda_invocation", "Migrations"): Place(title="Terraform", column=0, row=4),
    ("aws_cloudwatch_metric_alarm", "Alarms"): Place(title="CloudWatch", column=0, row=5),
    ("aws_sfn_state_machine", "Replay"): Place(title="State machine: replay", column=1, row=0),
    ("aws_lambda_function", "Replay"): Place(title="Lambda: replay", column=1, row=1),
    ("aws_lambda_function", "Processor"): Place(title="Lambda: processor", column=1, row=2),
    ("aws_lambda_function", "Migrations"): Place(title="Lambda: migrations", column=1, row=3),
    ("aws_sns_topic", "Alarms"): Place(title="SNS topic", column=1, row=5),
    ("aws_s3_bucket", "Archive"): Place(title="S3: archive", column=2, row=0),
    ("aws_vpc_endpoint", "Endpoints"): Place(title="VPC endpoints", column=2, row=1),
    ("aws_db_instance", "Database"): Place(title="RDS: catalog", column=2, row=2),
    ("aws_elasticache_replication_group", "Cache"): Place(title="ElastiCache: cache", column=2, row=3),
    ("aws_s3_bucket", "Quarantine"): Place(title="S3: quarantine", column=2, row=4),
    ("aws_iam_policy", "Operators"): Place(title="Operators", column=2, row=5, is_person=True),
    ("aws_athena_workgroup", "Queries"): Place(title="Athena", column=3, row=0),
    ("aws_s3_bucket", "Queries"): Place(title="S3: query results", column=3, row=1),
    ("aws_iam_policy", "Shop"): Place(title="Shop", column=3, row=2, is_person=True),
    ("aws_s3_bucket", "AccessLogs"): Place(title="S3: access logs", column=3, row=3),
    ("aws_sqs_queue", "Quarantine"): Place(title="SQS: failed batches", column=3, row=4),
}
# Their box is another kind's.
_BESIDE = {
    "aws_cloudwatch_dashboard": ("aws_cloudwatch_metric_alarm", "Alarms"),
    "aws_glue_catalog_table": ("aws_athena_workgroup", "Queries"),
}
_WITHOUT_A_BOX: Mapping[str, frozenset[str]] = {
    "an arrow": frozenset(
        {
            "aws_cloudwatch_event_target",
            "aws_iam_role",
            "aws_iam_role_policy",
            "aws_s3_bucket_logging",
            "aws_s3_bucket_notification",
            "aws_security_group",
            "aws_sns_topic_subscription",
            "aws_vpc_security_group_egress_rule",
            "aws_vpc_security_group_ingress_rule",
        }
    ),
    "the frame": frozenset(
        {
            "aws_default_security_group",
            "aws_eip",
            "aws_flow_log",
            "aws_internet_gateway",
            "aws_nat_gateway",
            "aws_route",
            "aws_route_table",
            "aws_route_table_association",
            "aws_subnet",
            "aws_vpc",
        }
    ),
    "a line in a box, or nothing that a reader looks for": frozenset(
        {
            "aws_cloudwatch_log_group",
            "aws_db_parameter_group",
            "aws_db_subnet_group",
            "aws_elasticache_subnet_group",
            "aws_elasticache_user",
            "aws_elasticache_user_group",
            "aws_glue_catalog_database",
            "aws_lambda_function_event_invoke_config",
            "aws_lambda_layer_version",
            "aws_lambda_permission",
            "aws_s3_bucket_lifecycle_configuration",
            "aws_s3_bucket_object_lock_configuration",
            "aws_s3_bucket_ownership_controls",
            "aws_s3_bucket_policy",
            "aws_s3_bucket_public_access_block",
            "aws_s3_bucket_server_side_encryption_configuration",
            "aws_s3_bucket_versioning",
            "aws_secretsmanager_secret",
            "aws_secretsmanager_secret_version",
            "aws_sns_topic_policy",
            "aws_sqs_queue_policy",
            "aws_ssm_parameter",
            "terraform_data",
        }
    ),
}

KINDS = frozenset(
    {*(kind for kind, _ in PLACES), *_BESIDE, *(kind for kinds in _WITHOUT_A_BOX.values() for kind in kinds)}
)
"""Every kind of resource that has a place, or needs none."""


def place_of(address: str) -> Place | None:
    """Return the box of a resource, such as `aws_s3_bucket.Archive_Private_Bucket`; None for one without.

    Raises:
        PictureError: its kind, or one of this kind in this construct, has no place in this file.
    """
    kind, _, logical_id = address.partition(".")
    construct = logical_id.partition("_")[0]
    found = PLACES.get(_BESIDE.get(kind, (kind, construct)))
    if found is None and (kind not in KINDS or any(kind == boxed for boxed, _ in PLACES)):
        raise PictureError(
            f"{address} has no place in the picture of the architecture: "
            f"give ({kind!r}, {construct!r}) a box in pictures/places.py, or say there why it needs none"
        )
    return found
