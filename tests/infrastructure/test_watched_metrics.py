"""AWS's metrics as the deployed alarms and the dashboard read them: AWS emits each with these dimensions.

The processor's own metrics are in tests/contract/test_metrics.py.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stacks.config.environments import Environment
from tests.support.environments import DEV, PROD
from tests.support.monitoring import (
    ACCOUNT_ID,
    MAPPING_UUID,
    Watching,
    alarms_of,
    read_by_alarms,
    read_by_dashboard,
    synthesize_observability,
    widgets_of,
)
from tests.support.synthesized import Stack

FUNCTION = "${{aws_lambda_function.{}_Private_Function.function_name}}"
ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
MAPPING = "${aws_lambda_event_source_mapping.EventSource_Mapping.uuid}"


@dataclass(frozen=True)
class Emitted:
    """The metrics of a part of the stack: name → unit and the statistics that say something about it."""

    namespace: str
    dimensions: tuple[str, str]
    metrics: dict[str, tuple[str, set[str]]]
    source: str


COUNT = ("Count", {"Sum"})
PARTS = [
    Emitted(
        "AWS/Kinesis",
        ("StreamName", "${aws_kinesis_stream.Stream.name}"),
        {"IncomingRecords": COUNT, "WriteProvisionedThroughputExceeded": COUNT},
        "https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html",
    ),
    Emitted(
        "AWS/Lambda",
        ("FunctionName", FUNCTION.format("Processor")),
        {
            "Errors": COUNT,
            "Throttles": COUNT,
            "DestinationDeliveryFailures": COUNT,
            "Duration": ("Milliseconds", {"Maximum", "Average", "p99"}),
            "IteratorAge": ("Milliseconds", {"Maximum"}),
            "ConcurrentExecutions": ("Count", {"Maximum"}),
        },
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    Emitted(
        "AWS/Lambda",
        ("FunctionName", FUNCTION.format("Migrations")),
        {"Errors": COUNT},
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    Emitted(
        "AWS/Lambda",
        ("EventSourceMappingUUID", MAPPING),
        {
            # A poll is a sample, even if it is empty.
            "PolledEventCount": ("Count", {"Sum", "SampleCount"}),
            "OnFailureDestinationDeliveredEventCount": COUNT,
            "DroppedEventCount": COUNT,
        },
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
        "#event-source-mapping-metrics",
    ),
    Emitted(
        "AWS/SQS",
        ("QueueName", "${aws_sqs_queue.Quarantine_Queue.name}"),
        {"ApproximateNumberOfMessagesVisible": ("Count", {"Maximum"})},
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
        "sqs-available-cloudwatch-metrics.html",
    ),
    Emitted(
        "AWS/RDS",
        ("DBInstanceIdentifier", "${aws_db_instance.Database_Instance.identifier}"),
        {
            "CPUUtilization": ("Percent", {"Average"}),
            "DatabaseConnections": ("Count", {"Maximum"}),
            "FreeStorageSpace": ("Bytes", {"Minimum"}),
        },
        "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html",
    ),
    *(
        Emitted(
            "AWS/ElastiCache",
            # A node's name is its replication group's with a number.
            ("CacheClusterId", f"product-cache-prod-00{node}"),
            {
                "DatabaseMemoryUsagePercentage": ("Percent", {"Maximum"}),
                "Evictions": COUNT,
                "CacheHits": COUNT,
                "CacheMisses": COUNT,
                "CacheHitRate": ("Percent", {"Average"}),
            },
            "https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html",
        )
        for node in (1, 2)
    ),
]
EMITTED = {
    Watching(part.namespace, name, frozenset([part.dimensions])): facts
    for part in PARTS
    for name, facts in part.metrics.items()
}
# How a graph's title names a unit; a count has none.
SIGNS = {"ms": "Milliseconds", "%": "Percent", "bytes": "Bytes"}
# All of these metrics are emitted once a minute.
PERIODS = {60, 300}


def test_aws_emits_what_is_read_and_in_this_unit(readable: dict[str, Stack]) -> None:
    stack = readable["prod"]
    for reading in (*read_by_alarms(stack), *read_by_dashboard(stack)):
        if reading.watching.namespace != "ProductCatalog":
            assert reading.watching in EMITTED, reading
            unit, statistics = EMITTED[reading.watching]
            assert reading.statistic in statistics, reading
            assert reading.period_seconds in PERIODS, reading
            assert reading.unit in (None, unit), f"no data ever has another unit: {reading}"


def test_the_title_of_a_graph_names_its_unit(readable: dict[str, Stack]) -> None:
    for reading in read_by_dashboard(readable["prod"]):
        if reading.watching in EMITTED:
            sign = re.search(r"\((ms|%|bytes)\)", reading.place)
            unit, _ = EMITTED[reading.watching]
            assert unit == (SIGNS[sign[1]] if sign else "Count"), reading


def test_a_red_line_is_the_threshold_of_an_alarm_on_the_graphs_metric(readable: dict[str, Stack]) -> None:
    """The graph has the alarm's period too, or a sum would be of another time than the threshold."""
    stack = readable["prod"]
    alarms = alarms_of(stack)
    limits = {
        (reading.watching.name, alarms[reading.place]["threshold"], reading.period_seconds)
        for reading in read_by_alarms(stack)
    }
    lines = [
        (widget["properties"], line["value"])
        for widget in widgets_of(stack)
        for line in widget["properties"].get("annotations", {}).get("horizontal", ())
    ]
    assert len(lines) == 10
    for graph, value in lines:
        names = {metric[1] for metric in graph["metrics"] if len(metric) > 1}
        # The graph of hits has the rate that AWS computes; the alarm computes it from hits and misses.
        names |= {"CacheHits"} if "CacheHitRate" in names else set()
        assert any((name, value, graph["period"]) in limits for name in names), graph["title"]


def test_the_mapping_emits_its_metrics(stack: Stack) -> None:
    assert stack.only("aws_lambda_event_source_mapping")["metrics_config"] == {"metrics": ["EventCount"]}


def test_log_groups_are_of_the_class_that_takes_embedded_metrics(stack: Stack) -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
    for name, group in stack.all("aws_cloudwatch_log_group").items():
        assert group.get("log_group_class", "STANDARD") == "STANDARD", name


@pytest.mark.parametrize("environment", [DEV, PROD], ids=lambda environment: environment.name)
def test_a_stack_has_the_alarms_the_topic_and_the_dashboard_that_test_alarms_checks(
    readable: dict[str, Stack], environment: Environment, tmp_path: Path
) -> None:
    """There they are synthesized alone, with names for the parts that they watch."""
    alone = monitoring_of(synthesize_observability(environment, tmp_path).readable())
    text = json.dumps(monitoring_of(readable[environment.name]))
    resources = readable[environment.name].document["resource"]
    for kind, id_, attribute in re.findall(r"\$\{(aws_\w+)\.(\w+)\.(name|function_name|identifier)\}", text):
        name = resources[kind][id_][attribute]
        text = text.replace(f"${{{kind}.{id_}.{attribute}}}", name)
    text = text.replace(MAPPING, MAPPING_UUID).replace(ACCOUNT, ACCOUNT_ID)
    assert json.loads(text) == alone


def monitoring_of(stack: Stack) -> dict[str, Any]:
    """Return what watches the rest of a stack, by kind and logical id."""
    return {
        f"{kind}.{id_}": {name: value for name, value in body.items() if name != "//"}
        for kind, id_, body in stack.blocks()
        if id_.startswith(("Alarms_", "Dashboard_"))
    }
