"""Alarms on the database.

A new alarm also needs a section in docs/operating.md and an entry in the tests: see CONTRIBUTING.md.
"""

from collections.abc import Iterator

from stacks.config.environments import Environment
from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.monitoring.metrics import AlarmDefinition, Sources

# The settings let the processor have 80 % (stacks/config/environments.py); more is used by others.
_CONNECTIONS_SHARE = 0.9

# RDS enlarges the storage when less than a tenth is free. A tenth of the initial storage is never more than
# that, so less for half an hour means that the storage is not growing: it is at its limit, or RDS has
# enlarged it within the last six hours.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
_FREE_STORAGE_SHARE = 0.1


def database_alarms(config: Environment, of: Sources) -> Iterator[AlarmDefinition]:
    """Yield the alarms on the database.

    A stopped database emits no metrics; `batches-unfinished` goes off instead.
    """
    instance_class = config.database.instance_class
    most_connections = MAX_CONNECTIONS[instance_class]
    yield AlarmDefinition(
        name="database-cpu",
        metric=of.database.metric("CPUUtilization", "Average"),
        comparison=">=",
        threshold=80,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="missing",
        meaning="The database's CPU is at 80 % or more: pages are slow where the cache misses, and updates "
        f"will be late next. Look first at {busiest_statements(config)}, then at the cache's hit "
        f"rate; {instance_class} may be too small.",
    )
    yield AlarmDefinition(
        name="database-storage",
        metric=of.database.metric("FreeStorageSpace", "Minimum"),
        comparison="<",
        threshold=round(config.database.storage_gb * 1024**3 * _FREE_STORAGE_SHARE),
        period_minutes=5,
        datapoints=6,
        periods=6,
        missing="missing",
        meaning="The database's storage is nearly full and has stopped growing; when it is full, updates "
        f"fail. Look first at whether it is at its limit of {config.database.storage_limit_gb} GB; if so, "
        "raise database.storage_limit_gb, else look at what grew (tables, or WAL that a replication slot "
        "retains).",
    )
    yield AlarmDefinition(
        name="database-connections",
        metric=of.database.metric("DatabaseConnections", "Maximum"),
        comparison=">=",
        threshold=int(most_connections * _CONNECTIONS_SHARE),
        period_minutes=1,
        datapoints=5,
        periods=5,
        missing="missing",
        meaning=f"Nearly all {most_connections} connections that {instance_class} accepts are in use; soon "
        "those of the shop's pages and of updates are refused. Look first at who holds them: "
        f"application_name in pg_stat_activity. The processor has at most {config.most_connections}.",
    )


def busiest_statements(config: Environment) -> str:
    """Return where an operator finds what the database is busy with."""
    if config.database.detailed_insights:
        return "its top statements in Database Insights"
    return "the running statements in pg_stat_activity (Database Insights is off here)"
