"""Mistakes in what watches the pipeline."""

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in

_ARGUMENTS = "infrastructure/test_arguments.py::test_arguments_stay"
_WATCHED = "infrastructure/test_watched_metrics.py::test_aws_emits_what_is_read_and_in_this_unit"
_ALARMS = (
    "infrastructure/test_watched_metrics.py"
    "::test_a_stack_has_the_alarms_the_topic_and_the_dashboard_that_test_alarms_checks"
)
_OURS = "contract/test_metrics.py::test_alarms_watch_what_the_processor_emits"
_MAPPING = "infrastructure/test_functions.py::test_the_event_source_mapping"
_ALARM = "aws_cloudwatch_metric_alarm.Alarms_"
_EVENT_SOURCE = "aws_lambda_event_source_mapping.EventSource_Mapping"
_POLICY = "data.aws_iam_policy_document."

MONITORING = [
    *mistakes_in(
        f"{_ALARM}DlqDepth",
        _WATCHED,
        ("an alarm in a wrong namespace", "namespace", "AWS/Sqs"),
        ("an alarm on a minimum", "statistic", "Minimum"),
    ),
    *mistakes_in(
        f"{_ALARM}PoolUse",
        _OURS,
        ("our alarm in a wrong namespace", "namespace", "Catalog"),
        ("an alarm on any service", "dimensions.service", REMOVED),
    ),
    *mistakes_in(
        f"{_ALARM}WritesRefused",
        _WATCHED,
        ("an alarm on a metric that does not exist", "metric_name", "WriteThroughputExceeded"),
    ),
    *mistakes_in(
        f"{_ALARM}BatchesUnfinished",
        _OURS,
        ("an alarm on another environment", "dimensions.environment", "dev"),
    ),
    *mistakes_in(
        f"{_ALARM}FailedBatches",
        _WATCHED,
        (
            "an alarm with the id of a resource that is not the mapping",
            "dimensions.EventSourceMappingUUID",
            "${aws_lambda_function.Processor_Private_Function.id}",
        ),
    ),
    *mistakes_in(
        f"{_ALARM}NotReading",
        _WATCHED,
        (
            "an alarm with the mapping's ARN",
            "dimensions.EventSourceMappingUUID",
            "${aws_lambda_event_source_mapping.EventSource_Mapping.arn}",
        ),
    ),
    *mistakes_in(
        f"{_ALARM}Errors",
        _WATCHED,
        ("an alarm with a dimension too many", "dimensions.Resource", "processor"),
    ),
    *mistakes_in(f"{_ALARM}DatabaseStorage", _WATCHED, ("an alarm in another unit", "unit", "Gigabytes")),
    *mistakes_in(f"{_ALARM}DatabaseCpu", _ARGUMENTS, ("an alarm in its own unit", "unit", "Percent")),
    *mistakes_in(
        f"{_ALARM}IteratorAge", _WATCHED, ("an average that hides late records", "statistic", "Average")
    ),
    *mistakes_in(
        f"{_ALARM}Throttles", _ALARMS, ("an alarm that never has enough data", "evaluation_periods", 1)
    ),
    *mistakes_in(f"{_ALARM}Duration", _ALARMS, ("a threshold in seconds", "threshold", 36)),
    *mistakes_in(
        f"{_ALARM}NotReading", _ALARMS, ("missing data that is no alarm", "treat_missing_data", "ignore")
    ),
    *mistakes_in(f"{_ALARM}Errors", _ALARMS, ("an alarm that notifies nobody", "alarm_actions", [])),
    *mistakes_in(
        f"{_ALARM}Errors",
        _ARGUMENTS,
        ("an alarm that is switched off", "actions_enabled", False),
        ("an alarm that notifies when it ends", "ok_actions", ["arn"]),
    ),
    *mistakes_in(_EVENT_SOURCE, _MAPPING, ("no metrics of the mapping", "metrics_config.metrics", [])),
    *mistakes_in(
        f"{_POLICY}Alarms_Publish",
        _ALARMS,
        ("a topic that anybody may publish to", "statement.0.condition", REMOVED),
    ),
    *mistakes_in(
        "aws_cloudwatch_log_group.Processor_Private_Logs",
        "infrastructure/test_watched_metrics.py::test_log_groups_are_of_the_class_that_takes_embedded_metrics",
        ("a log class without embedded metrics", "log_group_class", "INFREQUENT_ACCESS"),
    ),
    *mistakes_in(
        "aws_cloudwatch_log_group.Processor_Private_Logs",
        "infrastructure/test_stacks.py::test_every_log_group_obeys_one_setting",
        ("logs that are kept for ever", "retention_in_days", 0),
    ),
    *mistakes_in(
        "aws_cloudwatch_log_group.Migrations_Private_Logs",
        _ARGUMENTS,
        ("logs that stay after a destroy", "skip_destroy", True),
    ),
]
