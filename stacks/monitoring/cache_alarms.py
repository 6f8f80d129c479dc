"""Alarms on the cache and its invalidations.

A new alarm also needs a section in docs/operating.md and an entry in the tests: see CONTRIBUTING.md.
"""

from collections.abc import Iterator

from stacks.monitoring.metrics import AlarmDefinition, Calculated, Source, Sources

# A reader that misses reads its own lease before it stores (processor/reader.py), and Valkey counts that as a
# hit. So if every read misses, half of all lookups are hits; if every second one does, two thirds are.
_HITS_PERCENT = 67
_LOOKUPS_AT_LEAST = 1000


def cache_alarms(of: Sources) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the cache."""
    # No alarm on those never drained: the time to live has ended any old value five minutes later.
    # 15 minutes: a failover of the cache takes one or two, which may lie in two periods.
    yield AlarmDefinition(
        name="pending-invalidations",
        metric=of.processor.metric("PendingInvalidationsAdded", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="notBreaching",
        meaning="For 15 minutes the processor has not reached the cache: the shop may show stock and prices "
        "up to 5 minutes old. Updates do reach the catalog. Look first at the cache's nodes and events, then "
        "at 'degraded' in the function's log (refused login, time-out, no route).",
    )
    # Each drain emits it, whatever came of it: without any, the schedule is disabled, may not invoke the
    # function, or is throttled, or every drain fails.
    yield AlarmDefinition(
        name="drain-not-running",
        metric=of.processor.metric("Drains", "Sum"),
        comparison="<",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="breaching",
        meaning="For 15 minutes no drain has run: while no batch arrives, invalidations that failed stay "
        "pending, and the shop may show stock and prices up to 5 minutes old. Look first at whether the "
        "schedule inventory-processor-drain is enabled, then at the function's throttles and its log.",
    )
    for number, node in enumerate(of.cache_nodes, start=1):
        yield from _node_alarms(f"{number:03d}", node)


def _node_alarms(number: str, node: Source) -> Iterator[AlarmDefinition]:
    """Yield the alarms on one node; none is about missing data, since a node being replaced emits none."""
    yield AlarmDefinition(
        name=f"cache-memory-{number}",
        metric=node.metric("DatabaseMemoryUsagePercentage", "Maximum"),
        comparison=">=",
        threshold=80,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="missing",
        meaning=f"Cache node {number} is 80 % full; when it is full it evicts values, and the database gets "
        "the shop's reads. Look first at its number of items and at whether something is stored without a "
        "time to live; the node type may be too small.",
    )
    yield AlarmDefinition(
        name=f"cache-evictions-{number}",
        metric=node.metric("Evictions", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="notBreaching",
        meaning=f"Cache node {number} has evicted values for 15 minutes because it lacks memory: nothing "
        "is wrong in the shop, but its pages are slower and the database has more load. Look first at the "
        "node's memory, then choose a larger node type.",
    )
    yield AlarmDefinition(
        name=f"cache-hit-rate-{number}",
        metric=Calculated(
            label="hits (%)",
            expression=f"IF(hits + misses >= {_LOOKUPS_AT_LEAST}, 100 * hits / (hits + misses), 100)",
            of={"hits": node.metric("CacheHits", "Sum"), "misses": node.metric("CacheMisses", "Sum")},
        ),
        comparison="<",
        threshold=_HITS_PERCENT,
        period_minutes=5,
        datapoints=6,
        periods=6,
        missing="notBreaching",
        meaning=f"For half an hour more than half of the shop's reads have missed cache node {number}: "
        "pages are slow, and the database gets the reads. Look first at evictions, then at whether products "
        "change faster than they are read, or ids that do not exist are read.",
    )
