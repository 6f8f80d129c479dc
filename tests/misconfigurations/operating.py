"""Mistakes in what operators use: their rights, queries of the archive, replays."""

from dataclasses import replace

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in
from tests.support.synthesized import REPLAYING

_ACTIONS = "infrastructure/test_permissions.py::test_exactly_these_actions_on_exactly_these_resources"
_REQUESTED = "contract/test_operator_rights.py::test_the_policies_allow_what_the_commands_request"
_NOTHING_ELSE = "contract/test_operator_rights.py::test_the_policies_allow_nothing_else"
_QUERIES = "infrastructure/test_archive_queries.py::"
_TABLE = f"{_QUERIES}test_a_table_finds_the_objects_by_day_and_shard"
_WORKGROUP = f"{_QUERIES}test_the_workgroup_says_where_results_go_and_what_a_query_may_read"
_RESULTS = f"{_QUERIES}test_results_go_after_a_week_and_with_the_stack"
_REPLAY = "infrastructure/test_replay.py::"
_LOGGED = f"{_REPLAY}test_executions_are_logged_traced_and_encrypted"
_ONE_CONNECTION = f"{_REPLAY}test_the_function_runs_the_replay_with_one_connection"
_OF_FUNCTION = f"{_REPLAY}test_rights_of_the_function"
_OF_MAP = f"{_REPLAY}test_rights_of_the_state_machine"
_POLICY = "data.aws_iam_policy_document."

_OPERATORS = [
    *mistakes_in(
        f"{_POLICY}Operators_ReadMay",
        _ACTIONS,
        ("readers who may write objects", "statement.2.actions.0", "s3:PutObject"),
        (
            "readers with the writer's login",
            "statement.10.resources.0",
            "${aws_secretsmanager_secret.Writer_Secret.arn}",
        ),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_RedriveMay",
        _ACTIONS,
        ("redrives that may invoke any function", "statement.0.resources", ["*"]),
        (
            "redrives that may write archived objects",
            "statement.2.resources.0",
            "${aws_s3_bucket.Archive_Private_Bucket.arn}/*",
        ),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_ReplayMay",
        _ACTIONS,
        ("replays that may delete what was written down", "statement.2.actions.0", "s3:DeleteObject"),
    ),
    *mistakes_in(
        "aws_ssm_parameter.Environment_Parameter",
        "infrastructure/test_environment_parameter.py::test_the_program_looks_for_it_by_the_environments_name",
        ("a parameter that the program does not find", "name", "/product-catalog-prod"),
        ("a parameter that needs a right to decrypt", "type", "SecureString"),
    ),
    *mistakes_in(
        "aws_ssm_parameter.Environment_Parameter",
        "infrastructure/test_environment_parameter.py::test_it_has_every_member_that_the_program_reads",
        ("a parameter without the stores", "value", '{"name": "prod"}'),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_ReadMay",
        _REQUESTED,
        ("readers who see no delay", "statement.8.actions.1", "kinesis:DescribeStream"),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_RedriveMay",
        _NOTHING_ELSE,
        ("redrives that may empty the queue", "statement.1.actions.3", "sqs:PurgeQueue"),
    ),
]

_ARCHIVE_QUERIES = [
    *mistakes_in(
        "aws_athena_workgroup.Queries_Workgroup",
        _WORKGROUP,
        ("results that a client may put anywhere", "configuration.enforce_workgroup_configuration", False),
        ("queries without a limit", "configuration.bytes_scanned_cutoff_per_query", REMOVED),
        (
            "results without encryption",
            "configuration.result_configuration.encryption_configuration",
            REMOVED,
        ),
    ),
    *mistakes_in(
        "aws_glue_catalog_table.Queries_Lines",
        _TABLE,
        ("a table without its days", "parameters", {"EXTERNAL": "TRUE"}),
    ),
    *mistakes_in(
        "aws_glue_catalog_table.Queries_LinesOfShard",
        _TABLE,
        ("a table of another bucket", "storage_descriptor.location", "s3://other/inventory/"),
    ),
    *mistakes_in(
        "aws_s3_bucket.Queries_Private_Bucket",
        _RESULTS,
        ("results that stop a destroy", "force_destroy", False),
    ),
    *mistakes_in(
        "aws_s3_bucket_lifecycle_configuration.Queries_Private_Lifecycle",
        _RESULTS,
        ("results that are kept for a year", "rule.0.expiration.0.days", 365),
    ),
]

_REPLAYS = [
    *mistakes_in(
        "aws_sfn_state_machine.Replay_Map",
        _LOGGED,
        ("replays that leave no log", "logging_configuration.level", "OFF"),
        ("replays without the key", "encryption_configuration", REMOVED),
    ),
    *mistakes_in(
        "aws_sfn_state_machine.Replay_Map",
        f"{_REPLAY}test_the_map_reads_the_archive_and_tolerates_no_failure",
        ("a map of nothing", "definition", '{"States": {"Objects": {}}}'),
    ),
    *mistakes_in(
        "aws_lambda_function.Replay_Private_Function",
        _ONE_CONNECTION,
        ("a replay that takes every connection", "reserved_concurrent_executions", REMOVED),
        ("a replay with many connections", "environment.variables.DB_POOL_SIZE", "10"),
        ("a replay that expects batches", "handler", "processor.handler.handler"),
    ),
    *mistakes_in(
        f"{_POLICY}Replay_Private_May",
        _OF_FUNCTION,
        ("a replay that may change the archive", "statement.5.actions.0", "s3:PutObject"),
    ),
    *mistakes_in(
        f"{_POLICY}Replay_May",
        _OF_MAP,
        ("a map that may invoke any function", "statement.0.resources", ["*"]),
        ("a map that may list the whole archive", "statement.1.condition", []),
    ),
    *mistakes_in(
        f"{_POLICY}Replay_Trust",
        _OF_MAP,
        ("a map's role for any account", "statement.0.condition", []),
    ),
    *mistakes_in(
        f"{_POLICY}Operators_ReplayMay",
        f"{_REPLAY}test_operators_who_may_replay_start_it_and_read_its_results",
        ("operators who may start any state machine", "statement.6.resources", ["*"]),
    ),
    *mistakes_in(
        f"{_POLICY}Endpoints_S3Access",
        f"{_REPLAY}test_the_endpoint_lets_the_function_read_the_archive_only",
        ("replays that may read any object", "statement.2.resources.0", "*"),
    ),
]

OPERATING = [*_OPERATORS, *_ARCHIVE_QUERIES, *(replace(each, folder=REPLAYING) for each in _REPLAYS)]
