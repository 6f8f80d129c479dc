"""What the dashboard shows: questions in the order in which an operator asks them; imports no cdktf."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stacks.monitoring.metrics import Calculated, Metric, Rule, Search, Sources, Statistic

Series = Metric | Calculated | Search

_STAGES = ("Decode", "Archive", "Quarantine", "Catalog", "Invalidate")


@dataclass(frozen=True)
class Graph:
    """Lines by their labels; `limit`: the alarm that watches them, whose threshold is drawn across."""

    title: str
    lines: Mapping[str, Series]
    limit: Rule | None = None


@dataclass(frozen=True)
class Section:
    """A question, how to read the answer, and graphs."""

    question: str
    reading: str
    graphs: Sequence[Graph]


def sections(of: Sources, rule: Mapping[str, Rule]) -> list[Section]:
    """Return what the dashboard shows, from the top; `rule`: every rule by its name."""
    return [_behind(of, rule), _lost(of, rule), _database(of, rule), _cache(of, rule), _function(of, rule)]


def _behind(of: Sources, rule: Mapping[str, Rule]) -> Section:
    return Section(
        "Is it behind?",
        "The age says how old the shop's stock and prices are. It is measured by invocations alone: no line "
        "while records are put means that nothing runs.",
        [
            Graph(
                "Age of the newest record of a batch (ms)",
                {"iterator age": of.function.metric("IteratorAge", "Maximum")},
                limit=rule["iterator-age"],
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
                "What holds batches up",
                {
                    "batches unfinished": of.processor.metric("BatchesUnfinished", "Sum"),
                    "invocations failed": of.function.metric("Errors", "Sum"),
                    "invocations throttled": of.function.metric("Throttles", "Sum"),
                },
            ),
        ],
    )


def _lost(of: Sources, rule: Mapping[str, Rule]) -> Section:
    return Section(
        "Is anything lost or rejected?",
        "Failed batches are kept in the quarantine bucket under aws/lambda/ and wait in the queue to be "
        "redriven; one message alone may be S3's test event. Rejected records are kept in quarantine/.",
        [
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
                "Failed batches that wait to be redriven",
                {"in the queue": of.queue.metric("ApproximateNumberOfMessagesVisible", "Maximum")},
                limit=rule["dlq-depth"],
            ),
            Graph(
                "Rejected of what came (%)",
                {"rejected": rule["rejected-share"].metric},
                limit=rule["rejected-share"],
            ),
            Graph("Records rejected, by reason", {"by reason": of.rejections_by_reason()}),
            Graph(
                "What became of the updates",
                {
                    "accepted": of.processor.metric("RecordsAccepted", "Sum"),
                    "rejected": of.processor.metric("RecordsRejected", "Sum"),
                    "lost to a newer one": of.processor.metric("StaleUpdatesIgnored", "Sum"),
                    "products changed": of.processor.metric("ProductsChanged", "Sum"),
                },
            ),
        ],
    )


def _database(of: Sources, rule: Mapping[str, Rule]) -> Section:
    return Section(
        "How is the database?",
        "If updates are late and it is busy: look at its top statements in Database Insights.",
        [
            Graph(
                "CPU (%)",
                {"CPU": of.database.metric("CPUUtilization", "Average")},
                limit=rule["database-cpu"],
            ),
            Graph(
                "Connections",
                {"connections": of.database.metric("DatabaseConnections", "Maximum")},
                limit=rule["database-connections"],
            ),
            Graph(
                "Free storage (bytes)",
                {"free": of.database.metric("FreeStorageSpace", "Minimum")},
                limit=rule["database-storage"],
            ),
        ],
    )


def _cache(of: Sources, rule: Mapping[str, Rule]) -> Section:
    def by_node(name: str, statistic: Statistic, what: str = "") -> dict[str, Series]:
        nodes = enumerate(of.cache_nodes, start=1)
        return {f"{what}node {number:03d}": node.metric(name, statistic) for number, node in nodes}

    return Section(
        "How is the cache?",
        "Without it updates still arrive; the shop may show a value up to 5 minutes old, and the database "
        "gets its reads. A reader that misses finds its lease, which counts as a hit: 50 % is none at all.",
        [
            Graph(
                "Memory (%)",
                by_node("DatabaseMemoryUsagePercentage", "Maximum"),
                limit=rule["cache-memory-001"],
            ),
            Graph("Values evicted", by_node("Evictions", "Sum")),
            Graph(
                "Pending invalidations",
                {
                    "added": of.processor.metric("PendingInvalidationsAdded", "Sum"),
                    "drained": of.processor.metric("PendingInvalidationsDrained", "Sum"),
                },
            ),
            Graph("Hits (%)", by_node("CacheHitRate", "Average"), limit=rule["cache-hit-rate-001"]),
            Graph(
                "Hits and misses",
                {**by_node("CacheHits", "Sum", "hits, "), **by_node("CacheMisses", "Sum", "misses, ")},
            ),
        ],
    )


def _function(of: Sources, rule: Mapping[str, Rule]) -> Section:
    return Section(
        "How is the function?",
        "A batch is cut off at 80 % of the timeout and comes again. Which stage takes the time says which "
        "neighbour is slow.",
        [
            Graph(
                "Duration (ms)",
                {
                    "longest": of.function.metric("Duration", "Maximum"),
                    "99 of 100": of.function.metric("Duration", "p99"),
                    "mean": of.function.metric("Duration", "Average"),
                },
                limit=rule["duration"],
            ),
            Graph(
                "Longest time of a stage (ms)",
                {stage.lower(): of.processor.metric(f"{stage}Time", "Maximum") for stage in _STAGES},
            ),
            Graph(
                "Work at once",
                {
                    "invocations": of.function.metric("ConcurrentExecutions", "Maximum"),
                    "database connections of an environment": of.processor.metric(
                        "ConnectionsInUse", "Maximum"
                    ),
                },
            ),
        ],
    )
