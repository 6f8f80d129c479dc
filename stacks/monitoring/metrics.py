"""Metrics, the sources that emit them, and the definition of an alarm."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Statistic = Literal["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p99"]
Comparison = Literal[">", ">=", "<"]
MissingData = Literal["notBreaching", "breaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One CloudWatch metric with a statistic."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: Statistic


@dataclass(frozen=True, kw_only=True)
class Calculated:
    """The result of an expression on metrics, which it refers to by the keys of `of`."""

    label: str
    expression: str
    of: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Search:
    """The metrics that a search expression finds, one per line of a graph; alarms cannot use it."""

    expression: str


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """One alarm: it goes off when `datapoints` of the last `periods` periods breach the threshold.

    `name`: unique, in lower case with hyphens.
    `missing`: how a period without data counts.
    `meaning`: what an operator reads: what it means for the shop, and what to look at first.
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

    @property
    def section(self) -> str:
        """The section of docs/operating.md; alarms on several nodes share one."""
        return re.sub(r"-\d{3}$", "", self.name)


@dataclass(frozen=True)
class Source:
    """A part of the stack that emits metrics."""

    namespace: str
    dimensions: Mapping[str, str]

    def metric(self, name: str, statistic: Statistic) -> Metric:
        """Return one of the metrics."""
        return Metric(namespace=self.namespace, name=name, dimensions=self.dimensions, statistic=statistic)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Every source of metrics; `processor` is our code, `function` is Lambda's view of it.

    `migrations`: Lambda's view of the function that migrates the schema.
    """

    stream: Source
    mapping: Source
    function: Source
    migrations: Source
    processor: Source
    queue: Source
    database: Source
    cache_nodes: tuple[Source, ...]

    def rejections(self, reason: str) -> Metric:
        """Return the number of records that the processor rejected for this reason."""
        return Metric(
            namespace=self.processor.namespace,
            name="RecordsRejectedByReason",
            dimensions={**self.processor.dimensions, "reason": reason},
            statistic="Sum",
        )

    def rejections_by_reason(self) -> Search:
        """Return the same number for every reason."""
        schema = ",".join([self.processor.namespace, *self.processor.dimensions, "reason"])
        values = " ".join(f'{name}="{value}"' for name, value in self.processor.dimensions.items())
        return Search(
            expression=f"SEARCH('{{{schema}}} MetricName=\"RecordsRejectedByReason\" {values}', 'Sum')"
        )


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The watched parts of a stack, by the names that are the dimensions of their metrics.

    `mapping_uuid`: the event source mapping's; it counts events only if its metrics include `EventCount`.
    """

    stream_name: str
    function_name: str
    migrations_name: str
    mapping_uuid: str
    queue_name: str
    database_identifier: str
    cache_node_ids: tuple[str, ...]

    def sources(self, environment: str) -> Sources:
        """Return the sources of the metrics of the environment with this name."""
        return Sources(
            stream=Source("AWS/Kinesis", {"StreamName": self.stream_name}),
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
            mapping=Source("AWS/Lambda", {"EventSourceMappingUUID": self.mapping_uuid}),
            function=Source("AWS/Lambda", {"FunctionName": self.function_name}),
            migrations=Source("AWS/Lambda", {"FunctionName": self.migrations_name}),
            processor=Source(
                "ProductCatalog", {"service": "inventory-processor", "environment": environment}
            ),
            queue=Source("AWS/SQS", {"QueueName": self.queue_name}),
            database=Source("AWS/RDS", {"DBInstanceIdentifier": self.database_identifier}),
            cache_nodes=tuple(
                Source("AWS/ElastiCache", {"CacheClusterId": node_id}) for node_id in self.cache_node_ids
            ),
        )
