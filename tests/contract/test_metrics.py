"""The alarms and the dashboard use the metrics that the processor emits; stacks cannot import it."""

import json
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from processor.adapters.telemetry import NAMESPACE, Telemetry
from processor.reasons import Reason
from processor.records import Defect
from processor.report import BatchReport, DrainReport
from tests.support.environments import PROD
from tests.support.events import ARRIVAL_MS, record, sequence
from tests.support.fakes import FakeServices
from tests.support.faults import Fault, always
from tests.support.monitoring import (
    Watching,
    read_by_alarms,
    read_by_dashboard,
    shown_by_dashboard,
    watched_by_alarms,
)
from tests.support.synthesized import Stack


def batches() -> list[BatchReport]:
    """Return reports of processed batches in which every stage ran and every fault of ours occurred."""
    services = FakeServices(always(cache_invalidate=Fault.FAILS))
    services.catalog.refuses = lambda change: change.product_id == "refused"
    mixed = services.process(
        record({"product_id": "good", "inventory": 1}, 0),
        record({"product_id": "refused", "inventory": 1}, 1),
        record({"product_id": "late", "inventory": 1}, 2, arrival_ms=10**17),  # no datetime holds it
        record(b"any", 3)._replace(defect=Defect(Reason.INVALID_BASE64, "on purpose")),
    )
    services = FakeServices()
    services.clock.now = ARRIVAL_MS + 60 * 60 * 1000
    killer = record(b"any", 3)
    services.catalog.marks[killer.shard, sequence(3)] = {"one", "two", "three"}
    return [mixed, services.process(killer)]


def emitted(environment: str, reports: list[BatchReport]) -> dict[Watching, str]:
    """Return what CloudWatch makes of the lines that the processor writes: metrics with their units.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    # Outside the redirection: the logger keeps its first stream for all later tests.
    telemetry = Telemetry(environment)
    with redirect_stdout(StringIO()) as output:
        for report in reports:
            telemetry.publish_batch(report, request_id="any", connections_in_use=1)
        telemetry.publish_drain(DrainReport(), request_id="any")
    return {
        Watching(directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in names)): (
            metric["Unit"]
        )
        for line in map(json.loads, output.getvalue().splitlines())
        for directive in _directives(line)
        for metric in directive["Metrics"]
        for names in directive["Dimensions"]
    }


def _directives(line: dict[str, Any]) -> list[dict[str, Any]]:
    directives: list[dict[str, Any]] = line["_aws"]["CloudWatchMetrics"]
    return directives


@pytest.fixture(scope="module")
def stack(stacks: dict[str, Stack]) -> Stack:
    return stacks[PROD.stack_id].readable()


@pytest.fixture(scope="module")
def units() -> dict[Watching, str]:
    return emitted(PROD.name, batches())


@pytest.fixture(scope="module")
def of_processor(units: dict[Watching, str]) -> set[Watching]:
    return set(units)


def ours(watchings: set[Watching]) -> set[Watching]:
    """Return only our own metrics, without AWS's."""
    return {watching for watching in watchings if not watching.namespace.startswith("AWS/")}


def test_the_reports_are_what_they_are_meant_to_be() -> None:
    mixed, killer = batches()
    assert mixed.rejected + killer.rejected == Counter(
        ["catalog_refused", "internal_error", "invalid_base64", "killed_process"]
    )
    assert mixed.pending_invalidations_added == 1


def test_alarms_watch_what_the_processor_emits(stack: Stack, of_processor: set[Watching]) -> None:
    watched = ours(watched_by_alarms(stack))
    assert {watching.namespace for watching in watched} == {NAMESPACE}
    assert watched <= of_processor


def test_every_fault_of_ours_in_a_record_has_an_alarm(stack: Stack, of_processor: set[Watching]) -> None:
    """Check all of them: the reports contain no other rejections."""
    by_reason = {watching for watching in of_processor if watching.name == "RecordsRejectedByReason"}
    assert by_reason <= watched_by_alarms(stack)


def test_the_dashboard_shows_all_that_the_processor_emits_and_nothing_else(
    stack: Stack, of_processor: set[Watching]
) -> None:
    assert ours(shown_by_dashboard(stack)) == {watching.for_any_reason() for watching in of_processor}


def test_another_environments_metrics_are_not_ours(of_processor: set[Watching]) -> None:
    assert not of_processor & set(emitted("dev", batches()))


def test_ours_are_read_by_the_statistic_of_their_unit(stack: Stack, units: dict[Watching, str]) -> None:
    """Counts are added up, and times and gauges are not."""
    by_reason = {watching.for_any_reason(): unit for watching, unit in units.items()}
    for reading in (*read_by_alarms(stack), *read_by_dashboard(stack)):
        if reading.watching.namespace == NAMESPACE:
            unit = by_reason[reading.watching.for_any_reason()]
            is_count = unit == "Count" and reading.watching.name != "ConnectionsInUse"
            assert reading.statistic == ("Sum" if is_count else "Maximum"), reading
            assert reading.unit in (None, unit), reading
            assert ("(ms)" in reading.place) == (unit == "Milliseconds") or reading.place.endswith("(%)")
