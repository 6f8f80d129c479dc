"""Metrics, the parts that emit them, and what an alarm is defined by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Statistic = Literal["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p99"]
Comparison = Literal[">", ">=", "<"]
MissingData = Literal["notBreaching", "breaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One CloudWatch metric, seen through a statistic."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: Statistic


@dataclass(frozen=True, kw_only=True)
class Calculated:
    """What an expression makes of metrics, which it calls by the keys of `of`."""

    label: str
    expression: str
    of: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search expression finds: a metric a line. Alarms take none."""

    expression: str


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """One alarm: `datapoints` of the last `periods` periods breach the threshold.

    `name`: in lower case with hyphens; unique.
    `missing`: how a period without data counts.
    """

    name: str
    metric: Metric | Calculated
    comparison: Comparison
    threshold: float
    period_minutes: int
    datapoints: int
    periods: int
    missing: MissingData
    meaning: str


@dataclass(frozen=True)
class Source:
    """A part that emits metrics."""

    namespace: str
    dimensions: Mapping[str, str]

    def metric(self, name: str, statistic: Statistic) -> Metric:
        """Return one of its metrics."""
        return Metric(namespace=self.namespace, name=name, dimensions=self.dimensions, statistic=statistic)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Every part that emits metrics; `processor` is our own code, `function` is Lambda's view of it."""

    stream: Source
    mapping: Source
    function: Source
    processor: Source
    queue: Source
    database: Source
    cache_nodes: tuple[Source, ...]

    def rejections(self, reason: str) -> Metric:
        """Return the count of records that the processor rejected for this reason."""
        return Metric(
            namespace=self.processor.namespace,
            name="RecordsRejectedByReason",
            dimensions={**self.processor.dimensions, "reason": reason},
            statistic="Sum",
        )

    def rejections_by_reason(self) -> Search:
        """Return the same count for every reason there is."""
        schema = ",".join([self.processor.namespace, *self.processor.dimensions, "reason"])
        values = " ".join(f'{name}="{value}"' for name, value in self.processor.dimensions.items())
        return Search(
            expression=f"SEARCH('{{{schema}}} MetricName=\"RecordsRejectedByReason\" {values}', 'Sum')"
        )
