"""Alarms on the database and the cache; imports no cdktf."""

from collections.abc import Iterator

from stacks.config.aws_limits import CONNECTIONS_OF
from stacks.config.environments import Environment
from stacks.monitoring.metrics import Calculated, Rule, Source, Sources

# The settings let the processor have 80 % (stacks/config/environments.py); more is someone else's doing.
_CONNECTIONS_SHARE = 0.9

# RDS grows the storage once a tenth of it is free; of the storage it began with, a tenth is never more than
# that. Less for half an hour: it does not grow, for it is at its limit or has grown in the last six hours.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
_FREE_STORAGE_SHARE = 0.1

# A reader that misses asks for its lease before it stores (processor/reader.py), and Valkey counts that as a
# hit: of reads that all miss, half count as hits, and two thirds when half of them miss.
_HITS_PERCENT = 67
_LOOKUPS_AT_LEAST = 1000


def store_rules(config: Environment, of: Sources) -> Iterator[Rule]:
    """Yield the alarms on the database and the cache."""
    yield from _database(config, of)
    yield from _cache(of)


def _database(config: Environment, of: Sources) -> Iterator[Rule]:
    """A database that is stopped emits nothing, which is no news here: `batches-unfinished` tells."""
    instance_class = config.database.instance_class
    most_connections = CONNECTIONS_OF[instance_class]
    yield Rule(
        name="database-cpu",
        metric=of.database.metric("CPUUtilization", "Average"),
        comparison=">=",
        threshold=80,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="missing",
        meaning="The database computes at 80 % or more: pages are slow where the cache misses, and updates "
        "will be late next. Look first at its top statements (Database Insights), then at the cache's hit "
        f"rate; {instance_class} may be too small.",
    )
    yield Rule(
        name="database-storage",
        metric=of.database.metric("FreeStorageSpace", "Minimum"),
        comparison="<",
        threshold=round(config.database.storage_gb * 1024**3 * _FREE_STORAGE_SHARE),
        period_minutes=5,
        datapoints=6,
        periods=6,
        missing="missing",
        meaning="The database's storage is nearly full and has stopped growing; when it is full, no update "
        f"gets in. Look first whether it is at its limit of {config.database.storage_limit_gb} GB, and raise "
        "database.storage_limit_gb; else at what grew (tables, or WAL that a replication slot holds back).",
    )
    yield Rule(
        name="database-connections",
        metric=of.database.metric("DatabaseConnections", "Maximum"),
        comparison=">=",
        threshold=int(most_connections * _CONNECTIONS_SHARE),
        period_minutes=1,
        datapoints=5,
        periods=5,
        missing="missing",
        meaning=f"Nearly all {most_connections} connections that {instance_class} takes are in use; soon the "
        "shop's pages and updates are refused. Look first at who holds them: application_name in "
        f"pg_stat_activity. The processor has {config.most_connections} at most.",
    )


def _cache(of: Sources) -> Iterator[Rule]:
    # No alarm on those never drained: the time to live has ended any old value five minutes later.
    # 15 minutes: a failover of the cache takes one or two, which may lie in two periods.
    yield Rule(
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
    for number, node in enumerate(of.cache_nodes, start=1):
        yield from _cache_node(f"{number:03d}", node)


def _cache_node(number: str, node: Source) -> Iterator[Rule]:
    """A node that is being replaced emits nothing for a while; that its metrics are missing is no news."""
    yield Rule(
        name=f"cache-memory-{number}",
        metric=node.metric("DatabaseMemoryUsagePercentage", "Maximum"),
        comparison=">=",
        threshold=80,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="missing",
        meaning=f"Cache node {number} is 80 % full; when it is full it evicts, and the database gets the "
        "shop's reads. Look first at its number of items, and whether something is stored without a time to "
        "live; the node type may be too small.",
    )
    yield Rule(
        name=f"cache-evictions-{number}",
        metric=node.metric("Evictions", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="notBreaching",
        meaning=f"Cache node {number} has evicted values for 15 minutes for want of memory: nothing is "
        "wrong in the shop, but its pages are slower and the database works harder. Look first at the "
        "node's memory, then choose a larger node type.",
    )
    yield Rule(
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
        "pages are slow, and the database does their work. Look first at evictions, then whether products "
        "change faster than they are read, or ids that do not exist are asked for.",
    )
