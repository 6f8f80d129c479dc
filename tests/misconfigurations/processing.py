"""Mistakes in the functions and in who may reach and do what."""

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in

_ARGUMENTS = "infrastructure/test_arguments.py::test_arguments_stay"
_MAPPING = "infrastructure/test_functions.py::test_the_event_source_mapping"
_FUNCTION = "infrastructure/test_functions.py::test_every_function"
_VARIABLES = "infrastructure/test_functions.py::test_variables_of_the_processor"
_DRAIN = "infrastructure/test_functions.py::test_pending_invalidations_are_drained_every_minute"
_ACTIONS = "infrastructure/test_permissions.py::test_exactly_these_actions_on_exactly_these_resources"
_INTERFACES = (
    "infrastructure/test_permissions.py::test_only_lambda_itself_may_create_and_delete_network_interfaces"
)
_STATEMENTS = (
    "infrastructure/test_permissions.py::test_no_two_statements_of_a_policy_are_equal_or_have_the_same_name"
)
_TRUST = "infrastructure/test_permissions.py::test_a_role_is_only_for_one_service_and_has_one_policy"
_FLOWS = "infrastructure/test_aws_logs.py::test_every_connection_is_logged"
_CONNECTIONS = "infrastructure/test_network.py::test_exactly_these_connections_are_allowed"
_NETWORK = "infrastructure/test_network.py::"
_ENDPOINTS = f"{_NETWORK}test_endpoints_bind_the_functions_and_let_others_of_the_account_through"
_OF_AWS = f"{_NETWORK}test_what_anybody_may_do_is_read_from_aws_s_own_buckets"

_EVENT_SOURCE = "aws_lambda_event_source_mapping.EventSource_Mapping"
_PROCESSOR = "aws_lambda_function.Processor_Private_Function"
_POLICY = "data.aws_iam_policy_document."

PROCESSING = [
    *mistakes_in(
        _EVENT_SOURCE,
        _MAPPING,
        ("batches that are not halved", "bisect_batch_on_function_error", False),
        ("a response that Lambda does not read", "function_response_types", []),
        ("records that are given up after a retry", "maximum_retry_attempts", 1),
        ("records that are skipped at the start", "starting_position", "LATEST"),
        ("failed batches that are dropped", "destination_config", REMOVED),
    ),
    *mistakes_in(
        _EVENT_SOURCE,
        _ARGUMENTS,
        ("a mapping that is off", "enabled", False),
        ("a filter on records", "filter_criteria", {"filter": [{"pattern": "{}"}]}),
        ("batches of windows", "tumbling_window_in_seconds", 60),
    ),
    *mistakes_in(
        _PROCESSOR,
        _VARIABLES,
        ("a connection that is not checked", "environment.variables.DB_TLS", "require"),
    ),
    *mistakes_in(
        _PROCESSOR,
        _FUNCTION,
        ("a function outside the network", "vpc_config.subnet_ids", []),
        ("code for another processor", "architectures.0", "x86_64"),
        ("an ended runtime", "runtime", "python3.9"),
    ),
    *mistakes_in(_PROCESSOR, _ARGUMENTS, ("versions that nobody invokes", "publish", True)),
    *mistakes_in(
        "aws_lambda_layer_version.Packages_Layer",
        _ARGUMENTS,
        ("a layer that stays after a destroy", "skip_destroy", True),
    ),
    *mistakes_in(
        "aws_cloudwatch_event_rule.Drain_Schedule",
        _DRAIN,
        ("a drain a day", "schedule_expression", "rate(1 day)"),
    ),
    *mistakes_in(
        "aws_cloudwatch_event_rule.Drain_Schedule", _ARGUMENTS, ("a drain that is off", "state", "DISABLED")
    ),
    *mistakes_in(
        "aws_lambda_permission.Drain_MayInvoke",
        _DRAIN,
        ("a function that any schedule may invoke", "source_arn", REMOVED),
        ("a permission that is replaced", "statement_id", "Drain"),
    ),
    *mistakes_in(
        "aws_cloudwatch_event_target.Drain_Target",
        _DRAIN,
        ("a target that is replaced", "target_id", "drain"),
    ),
    *mistakes_in(
        _PROCESSOR,
        "infrastructure/test_functions.py::test_changed_deployment_packages_have_another_hash",
        ("the layer as the code", "filename", "assets/Packages_Dependencies/0/layer-arm64.zip"),
    ),
    *mistakes_in(
        f"{_POLICY}Alarms_Publish",
        _STATEMENTS,
        ("two statements of one name", "statement.0.sid", "TlsOnly"),
        ("a name that IAM refuses", "statement.0.sid", "alarms of this account"),
    ),
    *mistakes_in(
        f"{_POLICY}Shop_May",
        _STATEMENTS,
        (
            "a statement twice",
            "statement.2",
            {
                "sid": "Again",
                "actions": ["secretsmanager:GetSecretValue"],
                "resources": ["${aws_secretsmanager_secret.Reader_Secret.arn}"],
            },
        ),
    ),
    *mistakes_in(
        "aws_lambda_function_event_invoke_config.Drain_NoRetries",
        _DRAIN,
        ("drains that pile up", "maximum_retry_attempts", 2),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May", _ACTIONS, ("every action on S3", "statement.0.actions.0", "s3:*")
    ),
    *mistakes_in(f"{_POLICY}Shop_May", _ACTIONS, ("rights on everything", "statement.0.resources", ["*"])),
    *mistakes_in(
        f"{_POLICY}Suppliers_May",
        _ACTIONS,
        ("suppliers who may read the stream", "statement.0.actions.0", "kinesis:GetRecords"),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_Trust",
        _TRUST,
        ("a role for any service", "statement.0.principals.0.identifiers.0", "ec2.amazonaws.com"),
    ),
    *mistakes_in(
        "aws_iam_role.Processor_Private_Role",
        _ARGUMENTS,
        ("a role with a managed policy", "managed_policy_arns", ["arn"]),
        ("a role in another path", "path", "/other/"),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May",
        _INTERFACES,
        ("network interfaces for the function's code", "statement.2.effect", "Allow"),
    ),
    *mistakes_in("aws_vpc.Network_Vpc", _ARGUMENTS, ("dedicated tenancy", "instance_tenancy", "dedicated")),
    *mistakes_in(
        "aws_vpc.Network_Vpc",
        "infrastructure/test_network.py::test_names_of_services_resolve_to_the_endpoints",
        ("names that do not resolve", "enable_dns_support", False),
    ),
    *mistakes_in(
        "aws_subnet.Network_Private1",
        "infrastructure/test_network.py::test_no_subnet_gives_public_addresses",
        ("public addresses", "map_public_ip_on_launch", True),
    ),
    *mistakes_in(
        "aws_vpc_security_group_ingress_rule.Shop_ToDatabase_Ingress",
        _CONNECTIONS,
        ("a database that everybody reaches", "cidr_ipv4", "0.0.0.0/0"),
    ),
    *mistakes_in(
        "aws_vpc_security_group_ingress_rule.Processor_Private_ToDatabase_Ingress",
        _CONNECTIONS,
        ("every port of the database", "from_port", 0),
    ),
    *mistakes_in(
        "aws_vpc_security_group_egress_rule.Processor_Private_ToCache_Egress",
        _CONNECTIONS,
        ("every protocol", "ip_protocol", "-1"),
    ),
    *mistakes_in(
        "aws_default_security_group.Network_DefaultGroup",
        "infrastructure/test_network.py::test_the_default_security_group_allows_nothing",
        ("a default group that allows", "ingress", [{"protocol": "-1"}]),
    ),
    *mistakes_in(
        f"{_POLICY}Endpoints_S3Access",
        _ENDPOINTS,
        ("an endpoint for every account", "statement.0.condition", REMOVED),
        ("an endpoint for every bucket", "statement.0.resources.0", "*"),
        ("functions that may write to any bucket", "statement.2.condition.1", REMOVED),
        ("a function that is not bound", "statement.2.condition.1.values.1", REMOVED),
        ("stolen keys of another account", "statement.2.condition.0", REMOVED),
        ("an endpoint for our functions alone", "statement.2.actions.0", "s3:GetObject"),
    ),
    *mistakes_in(
        f"{_POLICY}Endpoints_S3Access",
        _OF_AWS,
        ("anybody who may write to buckets of AWS", "statement.3.actions.0", "s3:PutObject"),
        ("buckets that only begin like those of AWS", "statement.3.resources.1", "arn:aws:s3:::al2023-*/*"),
        ("functions that read from buckets of AWS", "statement.3.condition", []),
    ),
    *mistakes_in(
        f"{_POLICY}Endpoints_SecretsAccess",
        _ENDPOINTS,
        ("functions that may read any secret", "statement.1.condition.1.variable", "aws:SourceArn"),
        ("a shop that cannot read its own secrets", "statement.1.resources.0", "arn"),
    ),
    *mistakes_in(
        "aws_vpc_security_group_ingress_rule.Endpoints_Vpc_Ingress",
        _CONNECTIONS,
        ("an endpoint that everybody may reach", "for_each", '${toset(["0.0.0.0/0"])}'),
        ("every port of the endpoint", "from_port", 0),
        ("the VPC in the database", "security_group_id", "${aws_security_group.Database_Group.id}"),
    ),
    *mistakes_in(
        "aws_vpc_endpoint.Endpoints_Secrets",
        "infrastructure/test_network.py::test_names_of_services_resolve_to_the_endpoints",
        ("an endpoint that nobody finds", "private_dns_enabled", False),
    ),
    *mistakes_in(
        "aws_security_group.Shop_Group",
        _ARGUMENTS,
        ("a reference to a wrong attribute", "vpc_id", "${aws_vpc.Network_Vpc.arn}"),
    ),
    *mistakes_in(
        "aws_vpc.Network_Vpc",
        "infrastructure/test_network.py::test_subnets_are_parts_of_the_network",
        ("a network without its subnets", "cidr_block", "10.43.0.0/16"),
    ),
    *mistakes_in(
        f"{_POLICY}Processor_Private_May",
        _INTERFACES,
        ("a denial of the archive", "statement.2.actions.6", "s3:PutObject"),
    ),
    *mistakes_in(
        "aws_iam_role.Database_Monitoring_Role",
        _TRUST,
        (
            "monitoring with the processor's trust",
            "assume_role_policy",
            "${data.aws_iam_policy_document.Processor_Private_Trust.json}",
        ),
    ),
    *mistakes_in(
        "aws_iam_role_policy.Database_Monitoring_Rights",
        _TRUST,
        (
            "monitoring with the processor's rights",
            "policy",
            "${data.aws_iam_policy_document.Processor_Private_May.json}",
        ),
    ),
    *mistakes_in(
        "aws_iam_role.FlowLogs_Role",
        _TRUST,
        (
            "flow logs with the processor's trust",
            "assume_role_policy",
            "${data.aws_iam_policy_document.Processor_Private_Trust.json}",
        ),
    ),
    *mistakes_in(
        "aws_iam_role_policy.FlowLogs_Rights",
        _TRUST,
        (
            "flow logs with the processor's rights",
            "policy",
            "${data.aws_iam_policy_document.Processor_Private_May.json}",
        ),
    ),
    *mistakes_in(
        f"{_POLICY}FlowLogs_May",
        _FLOWS,
        ("flow logs that delete their group", "statement.0.actions.4", "logs:DeleteLogGroup"),
        ("flow logs that do not find their group", "statement.0.actions.1", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}Endpoints_S3Access",
        _OF_AWS,
        ("AWS's buckets for one account", "statement.3.principals.0.type", "AWS"),
    ),
]
