"""Metrics read from CloudWatch."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

_PER_CALL = 500


class Metric(NamedTuple):
    """One metric with a statistic."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


class Point(NamedTuple):
    """A metric's value over the period that begins at a moment."""

    begin: datetime
    value: float


async def read_metrics(
    cloudwatch: Any, metrics: Mapping[str, Metric], now: datetime, *, minutes: int, period_minutes: int
) -> dict[str, list[Point]]:
    """Return the points of each metric, under its key, of the last minutes; CloudWatch may have none."""
    keys = list(metrics)
    points: dict[str, list[Point]] = {key: [] for key in keys}
    for start in range(0, len(keys), _PER_CALL):
        queries = [
            {"Id": f"m{position}", "MetricStat": _stat(metrics[keys[position]], period_minutes * 60)}
            for position in range(start, min(start + _PER_CALL, len(keys)))
        ]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            StartTime=now - timedelta(minutes=minutes), EndTime=now, MetricDataQueries=queries
        )
        async for page in pages:
            for result in page["MetricDataResults"]:
                points[keys[int(result["Id"][1:])]] += map(Point, result["Timestamps"], result["Values"])
    return points


def _stat(metric: Metric, period_seconds: int) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    return {
        "Metric": {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions},
        "Period": period_seconds,
        "Stat": metric.statistic,
    }
