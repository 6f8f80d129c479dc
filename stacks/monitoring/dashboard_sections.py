"""The dashboard's sections: questions, in the order in which an operator asks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stacks.config.environments import Environment
from stacks.monitoring.database_alarms import busiest_statements
from stacks.monitoring.metrics import AlarmDefinition, Calculated, Metric, Search, Sources, Statistic

Series = Metric | Calculated | Search

_STAGES = ("Decode", "Archive", "Quarantine", "Catalog", "Invalidate")


@dataclass(frozen=True)
class Graph:
    """Lines by their labels; `limit`: the alarm on them, whose threshold is drawn as a line."""

    title: str
    lines: Mapping[str, Series]
    limit: AlarmDefinition | None = None


@dataclass(frozen=True)
class Section:
    """A question, how to read its graphs, and the graphs."""

    question: str
    reading: str
    graphs: Sequence[Graph]


def sections(config: Environment, of: Sources, alarm: Mapping[str, AlarmDefinition]) -> list[Section]:
    """Return the sections from the top; `alarm`: every alarm by its name."""
    return [
        _behind(of, alarm),
        _lost(of, alarm),
        _database(config, of, alarm),
        _cache(of, alarm),
        _function(of, alarm),
    ]


def _behind(of: Sources, alarm: Mapping[str, AlarmDefinition]) -> Section:
    return Section(
        "Is it behind?",
        "The age says how old the shop's stock and prices are. Only invocations measure it: no line while "
        "records are put means that nothing runs.",
        [
            Graph(
                "Age of the newest record of a batch (ms)",
                {"iterator age": of.function.metric("IteratorAge", "Maximum")},
                limit=alarm["iterator-age"],
            ),
            Graph(
                "Records put, read, processed",
                {
                    "put on the stream": of.stream.metric("IncomingRecords", "Sum"),
                    "read by Lambda": of.mapping.metric("PolledEventCount", "Sum"),
                    "in batches (Kinesis records)": of.processor.metric("KinesisRecords", "Sum"),
                    "in batches (unpacked)": of.processor.metric("RecordsIn", "Sum"),
                },
            ),
            Graph(
                "What delays batches",
                {
                    "batches unfinished": of.processor.metric("BatchesUnfinished", "Sum"),
                    "invocations failed": of.function.metric("Errors", "Sum"),
                    "migrations failed": of.migrations.metric("Errors", "Sum"),
                    "invocations throttled": of.function.metric("Throttles", "Sum"),
                },
            ),
        ],
    )


def _lost(of: Sources, alarm: Mapping[str, AlarmDefinition]) -> Section:
    return Section(
        "Is anything lost or rejected?",
        "Failed batches are kept in the quarantine bucket under aws/lambda/ and wait in the queue to be "
        "redriven; a single message may be S3's test event. Rejected records are kept under quarantine/.",
        [
            Graph(
                "Records that the stream refused",
                {"refused": of.stream.metric("WriteProvisionedThroughputExceeded", "Sum")},
                limit=alarm["writes-refused"],
            ),
            Graph(
                "Records that Lambda gave up on",
                {
                    "kept in the quarantine bucket": of.mapping.metric(
                        "OnFailureDestinationDeliveredEventCount", "Sum"
                    ),
                    "not kept": of.mapping.metric("DroppedEventCount", "Sum"),
                    "failures to keep a batch": of.function.metric("DestinationDeliveryFailures", "Sum"),
                },
            ),
            Graph(
                "Failed batches waiting to be redriven",
                {"in the queue": of.queue.metric("ApproximateNumberOfMessagesVisible", "Maximum")},
                limit=alarm["dlq-depth"],
            ),
            Graph(
                "Share of records rejected (%)",
                {"rejected": alarm["rejected-share"].metric},
                limit=alarm["rejected-share"],
            ),
            Graph("Records rejected, by reason", {"by reason": of.rejections_by_reason()}),
            Graph(
                "Outcomes of the updates",
                {
                    "accepted": of.processor.metric("RecordsAccepted", "Sum"),
                    "rejected": of.processor.metric("RecordsRejected", "Sum"),
                    "older than what is stored": of.processor.metric("StaleUpdatesIgnored", "Sum"),
                    "products changed": of.processor.metric("ProductsChanged", "Sum"),
                },
            ),
        ],
    )


def _database(config: Environment, of: Sources, alarm: Mapping[str, AlarmDefinition]) -> Section:
    return Section(
        "How is the database?",
        f"If updates are late and the database is busy, look at {busiest_statements(config)}.",
        [
            Graph(
                "CPU (%)",
                {"CPU": of.database.metric("CPUUtilization", "Average")},
                limit=alarm["database-cpu"],
            ),
            Graph(
                "Connections",
                {"connections": of.database.metric("DatabaseConnections", "Maximum")},
                limit=alarm["database-connections"],
            ),
            Graph(
                "Free storage (bytes)",
                {"free": of.database.metric("FreeStorageSpace", "Minimum")},
                limit=alarm["database-storage"],
            ),
        ],
    )


def _cache(of: Sources, alarm: Mapping[str, AlarmDefinition]) -> Section:
    def by_node(name: str, statistic: Statistic, what: str = "") -> dict[str, Series]:
        nodes = enumerate(of.cache_nodes, start=1)
        return {f"{what}node {number:03d}": node.metric(name, statistic) for number, node in nodes}

    return Section(
        "How is the cache?",
        "Without it updates still reach the catalog; the shop may show a value up to 5 minutes old, and the "
        "database gets its reads. A reader that misses then reads its own lease, which counts as a hit: a "
        "hit rate of 50 % means that every read misses.",
        [
            Graph(
                "Memory (%)",
                by_node("DatabaseMemoryUsagePercentage", "Maximum"),
                limit=alarm["cache-memory-001"],
            ),
            Graph("Values evicted", by_node("Evictions", "Sum")),
            Graph(
                "Pending invalidations",
                {
                    "added": of.processor.metric("PendingInvalidationsAdded", "Sum"),
                    "drained": of.processor.metric("PendingInvalidationsDrained", "Sum"),
                    "drains": of.processor.metric("Drains", "Sum"),
                },
            ),
            Graph("Hits (%)", by_node("CacheHitRate", "Average"), limit=alarm["cache-hit-rate-001"]),
            Graph(
                "Hits and misses",
                {**by_node("CacheHits", "Sum", "hits, "), **by_node("CacheMisses", "Sum", "misses, ")},
            ),
        ],
    )


def _function(of: Sources, alarm: Mapping[str, AlarmDefinition]) -> Section:
    return Section(
        "How is the function?",
        "A batch is cut off at 80 % of the timeout and is retried. The stage that takes the time shows which "
        "dependency is slow.",
        [
            Graph(
                "Duration (ms)",
                {
                    "longest": of.function.metric("Duration", "Maximum"),
                    "99th percentile": of.function.metric("Duration", "p99"),
                    "mean": of.function.metric("Duration", "Average"),
                },
                limit=alarm["duration"],
            ),
            Graph(
                "Longest time per stage (ms)",
                {stage.lower(): of.processor.metric(f"{stage}Time", "Maximum") for stage in _STAGES},
            ),
            Graph(
                "Concurrency",
                {
                    "invocations": of.function.metric("ConcurrentExecutions", "Maximum"),
                    "database connections per execution environment": of.processor.metric(
                        "ConnectionsInUse", "Maximum"
                    ),
                },
            ),
        ],
    )
