import json
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from stacks.config.environments import Environment
from stacks.config.settings import AlarmSettings
from tests.support.environments import DEV, with_throwaway
from tests.support.monitoring import (
    ACCOUNT_ID,
    MAPPING_UUID,
    alarms_of,
    shown_by_dashboard,
    synthesize_observability,
    watched_by_alarms,
    widgets_of,
)
from tests.support.synthesized import Stack

ENVIRONMENTS = with_throwaway()
BREACHES = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    return {
        environment.name: synthesize_observability(environment, tmp_path_factory.mktemp(environment.name))
        for environment in ENVIRONMENTS
    }


@pytest.fixture(params=[environment.name for environment in ENVIRONMENTS])
def stack(request: pytest.FixtureRequest, observed: dict[str, Stack]) -> Stack:
    return observed[request.param]


def with_alarms(environment: Environment, *emails: str) -> Environment:
    return replace(environment, alarms=AlarmSettings(emails=emails, iterator_age_minutes=5))


def goes_off(alarm: Mapping[str, Any], value: float | None) -> bool:
    """Return whether a period with this value (None: without data) breaches the threshold."""
    if value is None:
        return bool(alarm["treat_missing_data"] == "breaching")
    return bool(BREACHES[alarm["comparison_operator"]](value, alarm["threshold"]))


def calculated(alarm: Mapping[str, Any], **values: float) -> float | None:
    """Return the result of an alarm's expression; None: no data point, as for x / 0."""
    (expression,) = [query["expression"] for query in alarm["metric_query"] if "expression" in query]
    functions = {"IF": lambda condition, yes, no: yes if condition else no}
    try:
        return float(eval(expression, functions, values))  # noqa: S307
    except ZeroDivisionError:
        return None


# Name, metric, statistic, thresholds of dev and prod, (period, data points, periods), missing data.
ALARMS = [
    ("iterator-age", "IteratorAge", "Maximum", 900_000, 300_000, (60, 3, 5), "notBreaching"),
    ("not-reading", "PolledEventCount", "SampleCount", 1, 1, (300, 3, 3), "breaching"),
    ("throttles", "Throttles", "Sum", 1, 1, (60, 3, 5), "notBreaching"),
    ("batches-unfinished", "BatchesUnfinished", "Sum", 1, 1, (300, 3, 3), "notBreaching"),
    (
        "failed-batches",
        "OnFailureDestinationDeliveredEventCount",
        "Sum",
        0,
        0,
        (300, 1, 1),
        "notBreaching",
    ),
    (
        "destination-delivery-failures",
        "DestinationDeliveryFailures",
        "Sum",
        0,
        0,
        (300, 1, 1),
        "notBreaching",
    ),
    ("dlq-depth", "ApproximateNumberOfMessagesVisible", "Maximum", 2, 2, (300, 1, 1), "ignore"),
    ("rejected-internal-error", "RecordsRejectedByReason", "Sum", 0, 0, (300, 1, 1), "notBreaching"),
    ("rejected-catalog-refused", "RecordsRejectedByReason", "Sum", 0, 0, (300, 1, 1), "notBreaching"),
    ("rejected-invalid-base64", "RecordsRejectedByReason", "Sum", 0, 0, (300, 1, 1), "notBreaching"),
    ("rejected-killed-process", "RecordsRejectedByReason", "Sum", 0, 0, (300, 1, 1), "notBreaching"),
    ("errors", "Errors", "Sum", 1, 1, (60, 3, 15), "notBreaching"),
    # 60 % of 60 s: a batch stops itself after 80 %.
    ("duration", "Duration", "Maximum", 36_000, 36_000, (60, 5, 10), "notBreaching"),
    ("pool-use", "ConnectionsInUse", "Maximum", 3, 3, (60, 5, 5), "notBreaching"),
    ("database-cpu", "CPUUtilization", "Average", 80, 80, (300, 3, 3), "missing"),
    ("database-storage", "FreeStorageSpace", "Minimum", 2 * 1024**3, 2 * 1024**3, (300, 6, 6), "missing"),
    ("database-connections", "DatabaseConnections", "Maximum", 72, 765, (60, 5, 5), "missing"),
    ("pending-invalidations", "PendingInvalidationsAdded", "Sum", 1, 1, (300, 3, 3), "notBreaching"),
    ("writes-refused", "WriteProvisionedThroughputExceeded", "Sum", 1, 1, (300, 3, 3), "notBreaching"),
    ("drain-not-running", "Drains", "Sum", 1, 1, (300, 3, 3), "breaching"),
    ("migration-errors", "Errors", "Sum", 1, 1, (300, 1, 1), "notBreaching"),
    ("cache-memory-001", "DatabaseMemoryUsagePercentage", "Maximum", 80, 80, (300, 3, 3), "missing"),
    ("cache-evictions-001", "Evictions", "Sum", 1, 1, (300, 3, 3), "notBreaching"),
]


@pytest.mark.parametrize(("name", "metric", "statistic", "dev", "prod", "window", "missing"), ALARMS)
def test_what_sets_an_alarm_off(
    observed: dict[str, Stack],
    name: str,
    metric: str,
    statistic: str,
    dev: float,
    prod: float,
    window: tuple[int, int, int],
    missing: str,
) -> None:
    for environment, threshold in (("dev", dev), ("prod", prod)):
        alarm = alarms_of(observed[environment])[name]
        assert (alarm["metric_name"], alarm["statistic"], alarm["threshold"]) == (
            metric,
            statistic,
            threshold,
        )
        assert (alarm["period"], alarm["datapoints_to_alarm"], alarm["evaluation_periods"]) == window
        assert alarm["treat_missing_data"] == missing


# Breached below, or above the threshold; the others from the threshold on.
BELOW = {"not-reading", "drain-not-running", "database-storage", "cache-hit-rate-001"}
ABOVE = {"iterator-age", "failed-batches", "destination-delivery-failures", "rejected-share"}
# Threshold, period in seconds, periods, metrics by the names that the expression has for them.
CALCULATED = {
    "rejected-share": (5, 900, 1, {"rejected": "RecordsRejected", "received": "RecordsIn"}),
    "cache-hit-rate-001": (67, 300, 6, {"hits": "CacheHits", "misses": "CacheMisses"}),
}


def test_on_which_side_of_its_threshold_an_alarm_goes_off(stack: Stack) -> None:
    for name, alarm in alarms_of(stack).items():
        first_node = name.replace("-002", "-001")
        below = first_node in BELOW
        above = name in ABOVE or name.startswith("rejected-")
        found = [goes_off(alarm, alarm["threshold"] + difference) for difference in (-1, 0, 1)]
        assert found == [below, not below and not above, not below], name


def test_the_windows_of_calculated_alarms_and_of_a_second_node(observed: dict[str, Stack]) -> None:
    for stack in observed.values():
        alarms = alarms_of(stack)
        for name, (threshold, seconds, periods, named) in CALCULATED.items():
            alarm = alarms[name]
            assert alarm["threshold"] == threshold
            assert alarm["evaluation_periods"] == alarm["datapoints_to_alarm"] == periods
            assert alarm["treat_missing_data"] == "notBreaching"
            result, *queries = alarm["metric_query"]
            assert (result["id"], result["return_data"]) == ("result", True)
            assert {query["id"]: query["metric"]["metric_name"] for query in queries} == named
            assert {query["metric"]["period"] for query in queries} == {seconds}
            assert {query["metric"]["stat"] for query in queries} == {"Sum"}
            assert not any("return_data" in query for query in queries)
    alarms = alarms_of(observed["prod"])
    for name in alarms:
        if name.endswith("-002"):
            first = json.dumps(alarms[name]).replace("-002", "-001").replace("node 002", "node 001")
            assert without_metadata(json.loads(first)) == without_metadata(alarms[name[:-1] + "1"])


def test_staging_has_devs_alarms_for_a_larger_database(observed: dict[str, Stack]) -> None:
    dev, staging = (
        {name: without_metadata(alarm) for name, alarm in alarms_of(observed[environment]).items()}
        for environment in ("dev", "staging")
    )
    # 90 % of the connections that their instances accept: 80 and 190.
    connections = [alarms.pop("database-connections")["threshold"] for alarms in (dev, staging)]
    assert connections == [72, 171]
    text = json.dumps(staging).replace("db.t4g.small", "db.t4g.micro")
    assert json.loads(re.sub(r'(?<=[-"])staging(?=[-"])', "dev", text)) == dev


def test_every_alarm_is_in_one_of_the_tables(stack: Stack) -> None:
    listed = {row[0] for row in ALARMS} | set(CALCULATED)
    assert {name.replace("-002", "-001") for name in alarms_of(stack)} == listed


def without_metadata(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in alarm.items() if name != "//"}


def test_every_alarm_notifies_the_topic_when_it_goes_off_but_not_when_it_ends(stack: Stack) -> None:
    """A new alarm ends with its first evaluation: 25 messages after the first deploy."""
    (topic_id,) = stack.document["resource"]["aws_sns_topic"]
    topic = [f"${{aws_sns_topic.{topic_id}.arn}}"]
    for name, alarm in alarms_of(stack).items():
        assert alarm["alarm_actions"] == topic, name
        assert not {"ok_actions", "insufficient_data_actions"} & set(alarm), name


def test_every_description_says_what_to_look_at_and_fits_cloudwatch(stack: Stack) -> None:
    for name, alarm in alarms_of(stack).items():
        assert "Look first " in alarm["alarm_description"], name
        assert len(alarm["alarm_description"]) <= 1024, name


def test_no_alarm_evaluates_more_than_a_day(stack: Stack) -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    for name, alarm in alarms_of(stack).items():
        periods = {query["metric"]["period"] for query in alarm.get("metric_query", ()) if "metric" in query}
        (period,) = periods or {alarm["period"]}
        assert period * alarm["evaluation_periods"] <= 86_400, name


def test_every_cache_node_has_its_own_alarms(observed: dict[str, Stack]) -> None:
    found = {
        environment: sorted(name for name in alarms_of(observed[environment]) if name.startswith("cache-"))
        for environment in ("dev", "prod")
    }
    assert found["dev"] == ["cache-evictions-001", "cache-hit-rate-001", "cache-memory-001"]
    assert found["prod"] == sorted([*found["dev"], *(name.replace("001", "002") for name in found["dev"])])
    second = alarms_of(observed["prod"])["cache-memory-002"]
    assert second["dimensions"] == {"CacheClusterId": "product-cache-prod-002"}


def test_s3s_test_event_sets_off_no_alarm_but_the_first_failed_batch_does(stack: Stack) -> None:
    alarms = alarms_of(stack)
    depth, failed = alarms["dlq-depth"], alarms["failed-batches"]
    assert not goes_off(depth, 1), "S3's test event, or one failed batch"
    assert goes_off(depth, 2), "at least one failed batch"
    assert not goes_off(failed, None)
    assert not goes_off(failed, 0)
    assert goes_off(failed, 1), "one record of one batch"
    assert failed["dimensions"] == {"EventSourceMappingUUID": MAPPING_UUID}


def test_a_mapping_that_does_not_poll_sets_off_an_alarm_but_a_quiet_stream_does_not(stack: Stack) -> None:
    alarm = alarms_of(stack)["not-reading"]
    assert goes_off(alarm, None)
    assert not goes_off(alarm, 1), "one poll, although it was empty"


def test_a_drain_that_does_not_run_sets_off_an_alarm_whatever_batches_do(stack: Stack) -> None:
    alarm = alarms_of(stack)["drain-not-running"]
    assert goes_off(alarm, None)
    assert goes_off(alarm, 0)
    assert not goes_off(alarm, 5)


def test_a_failing_migration_sets_off_an_alarm_of_its_own(observed: dict[str, Stack]) -> None:
    alarm = alarms_of(observed["prod"])["migration-errors"]
    assert alarm["dimensions"] == {"FunctionName": "inventory-migrations-prod"}


@pytest.mark.parametrize(
    ("rejected", "received", "expected"),
    [
        (0, 0, False),
        (1, 1, False),
        (9, 10, False),
        (10, 10, True),
        (10, 200, False),
        (11, 200, True),
        (500, 10_000, False),
    ],
)
def test_a_share_of_rejected_records(stack: Stack, rejected: int, received: int, *, expected: bool) -> None:
    alarm = alarms_of(stack)["rejected-share"]
    assert goes_off(alarm, calculated(alarm, rejected=rejected, received=received)) is expected


@pytest.mark.parametrize(
    ("hits", "misses", "expected"),
    [
        (0, 0, False),
        (0, 999, False),
        (0, 1000, True),
        # Every reader missed, then read its own lease.
        (1000, 1000, True),
        # Of 1,000 reads 501 missed; of another 1,000, 490.
        (1000, 501, True),
        (1000, 490, False),
        (10_000, 10, False),
    ],
)
def test_misses_set_off_an_alarm_only_while_the_shop_reads(
    stack: Stack, hits: int, misses: int, *, expected: bool
) -> None:
    alarm = alarms_of(stack)["cache-hit-rate-001"]
    assert goes_off(alarm, calculated(alarm, hits=hits, misses=misses)) is expected


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_pool_that_a_batch_may_use_up_has_no_alarm_on_its_use(tmp_path: Path, pool_size: int) -> None:
    config = replace(DEV, function=replace(DEV.function, pool_size=pool_size))
    alarms = alarms_of(synthesize_observability(config, tmp_path))
    assert "pool-use" not in alarms
    assert "duration" in alarms


def test_only_cloudwatch_on_behalf_of_this_account_may_publish_and_only_over_tls(stack: Stack) -> None:
    (topic_id,) = stack.document["resource"]["aws_sns_topic"]
    assert "kms_master_key_id" not in stack.only("aws_sns_topic")
    assert stack.only("aws_iam_policy_document")["statement"] == [
        {
            "sid": "AlarmsOfThisAccount",
            "actions": ["sns:Publish"],
            "resources": [f"${{aws_sns_topic.{topic_id}.arn}}"],
            "principals": [{"type": "Service", "identifiers": ["cloudwatch.amazonaws.com"]}],
            "condition": [{"test": "StringEquals", "variable": "aws:SourceAccount", "values": [ACCOUNT_ID]}],
        },
        {
            "sid": "TlsOnly",
            "effect": "Deny",
            "actions": ["sns:Publish"],
            "resources": [f"${{aws_sns_topic.{topic_id}.arn}}"],
            "principals": [{"type": "*", "identifiers": ["*"]}],
            "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
        },
    ]


def test_a_subscription_outlives_another_ones_removal(tmp_path: Path) -> None:
    def subscriptions(*emails: str) -> dict[str, str]:
        outdir = tmp_path / str(len(emails))
        resources = synthesize_observability(with_alarms(DEV, *emails), outdir).document["resource"]
        found = resources.get("aws_sns_topic_subscription", {})
        assert all(body["protocol"] == "email" for body in found.values())
        return {logical_id: body["endpoint"] for logical_id, body in found.items()}

    both = subscriptions("a@shop.example", "b@shop.example")
    assert sorted(both.values()) == ["a@shop.example", "b@shop.example"]
    assert subscriptions("b@shop.example").items() <= both.items()
    assert subscriptions() == {}


def test_names_end_with_the_environment(observed: dict[str, Stack]) -> None:
    for name, stack in observed.items():
        assert stack.only("aws_sns_topic")["name"] == f"catalog-alarms-{name}"
        assert stack.only("aws_cloudwatch_dashboard")["dashboard_name"] == f"product-catalog-{name}"
        assert all(alarm["alarm_name"].endswith(f"-{name}") for alarm in alarms_of(stack).values())


def test_the_dashboard_asks_in_the_order_of_an_operator(stack: Stack) -> None:
    headings = [
        widget["properties"]["markdown"].splitlines()[0]
        for widget in widgets_of(stack)
        if widget["type"] == "text"
    ]
    assert headings[1:] == [
        "## Is it behind?",
        "## Is anything lost or rejected?",
        "## How is the database?",
        "## How is the cache?",
        "## How is the function?",
    ]


def test_the_dashboard_begins_with_the_state_of_every_alarm(stack: Stack) -> None:
    _, alarms = widgets_of(stack)[:2]
    assert alarms["type"] == "alarm"
    ids = stack.document["resource"]["aws_cloudwatch_metric_alarm"]
    assert set(alarms["properties"]["alarms"]) == {
        f"${{aws_cloudwatch_metric_alarm.{logical_id}.arn}}" for logical_id in ids
    }


def test_the_dashboard_shows_what_every_alarm_watches(stack: Stack) -> None:
    watched = {watching.for_any_reason() for watching in watched_by_alarms(stack)}
    assert watched <= shown_by_dashboard(stack)


def test_no_widget_hides_another(stack: Stack) -> None:
    widgets = widgets_of(stack)
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)
    for one, other in combinations(widgets, 2):
        apart = any(
            first[axis] + first[size] <= second[axis]
            for first, second in ((one, other), (other, one))
            for axis, size in (("x", "width"), ("y", "height"))
        )
        assert apart, (one["properties"], other["properties"])


def test_graphs_are_of_the_stacks_region(stack: Stack) -> None:
    graphs = [widget["properties"] for widget in widgets_of(stack) if widget["type"] == "metric"]
    assert {graph["region"] for graph in graphs} == {DEV.region}
