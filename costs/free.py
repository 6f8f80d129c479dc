"""The kinds of resources that cost nothing by themselves, and why."""

from collections.abc import Mapping

_PART = "part of what it belongs to, which is priced"
_NETWORK = "AWS bills the traffic, not the route"
_RIGHTS = "rights are free"
_STATE = "only Terraform knows it"

FREE: Mapping[str, str] = {
    "aws_athena_workgroup": "by what a query reads, $5 a TB; nothing asks by itself",
    "aws_caller_identity": _STATE,
    "aws_cloudwatch_event_rule": "schedules on the default event bus are free",
    "aws_cloudwatch_event_target": "schedules on the default event bus are free",
    "aws_db_parameter_group": _PART,
    "aws_db_subnet_group": _PART,
    "aws_default_security_group": _NETWORK,
    "aws_elasticache_subnet_group": _PART,
    "aws_elasticache_user": _RIGHTS,
    "aws_elasticache_user_group": _RIGHTS,
    "aws_glue_catalog_database": "Glue keeps a million tables for nothing",
    "aws_glue_catalog_table": "Glue keeps a million tables for nothing",
    "aws_iam_openid_connect_provider": _RIGHTS,
    "aws_iam_policy": _RIGHTS,
    "aws_iam_policy_document": _STATE,
    "aws_iam_role": _RIGHTS,
    "aws_iam_role_policy": _RIGHTS,
    "aws_internet_gateway": _NETWORK,
    "aws_lambda_event_source_mapping": "its polling is free; it reads with the stream's shared throughput",
    "aws_lambda_function_event_invoke_config": _PART,
    "aws_lambda_invocation": "a few requests per deploy",
    "aws_lambda_layer_version": "Lambda keeps 75 GB of code for nothing",
    "aws_lambda_permission": _RIGHTS,
    "aws_partition": _STATE,
    "aws_route": _NETWORK,
    "aws_route_table": _NETWORK,
    "aws_route_table_association": _NETWORK,
    "aws_s3_bucket_notification": _PART,
    "aws_s3_bucket_object_lock_configuration": _PART,
    "aws_s3_bucket_ownership_controls": _PART,
    "aws_s3_bucket_policy": _RIGHTS,
    "aws_s3_bucket_public_access_block": _RIGHTS,
    "aws_s3_bucket_server_side_encryption_configuration": "S3's own keys are free",
    "aws_s3_bucket_versioning": _PART,
    "aws_secretsmanager_random_password": _STATE,
    "aws_secretsmanager_secret_version": _PART,
    "aws_security_group": _NETWORK,
    "aws_sns_topic": "by message; alarms send few",
    "aws_sns_topic_policy": _RIGHTS,
    "aws_sns_topic_subscription": "by message; alarms send few",
    "aws_sqs_queue": "by message; only failed batches send one",
    "aws_sqs_queue_policy": _RIGHTS,
    "aws_subnet": _NETWORK,
    "aws_vpc": _NETWORK,
    "aws_vpc_security_group_egress_rule": _NETWORK,
    "aws_vpc_security_group_ingress_rule": _NETWORK,
    "terraform_data": _STATE,
}
