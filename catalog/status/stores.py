"""How database and cache are, and which invalidations are pending."""

from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import NoPermissionError

from catalog.connections import Connections
from catalog.status.metrics import Metric, Point, read_metrics

_CONNECTIONS = """
SELECT (SELECT sum(numbackends) FROM pg_stat_database)::bigint AS used,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - current_setting('reserved_connections')::int AS allowed,
    pg_database_size(current_database()) AS size_bytes, longest_statement_seconds() AS longest
"""
# Who holds the locks that others wait for. Every role may see that, and the names of all sessions, but not
# what a session of another role waits for.
_BLOCKERS = """
SELECT DISTINCT pid, usename AS role, application_name AS application FROM pg_stat_activity
WHERE pid = ANY (ARRAY(SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE usename IS NOT NULL))
ORDER BY pid
"""
_APPLICATIONS = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE usename IS NOT NULL GROUP BY application_name ORDER BY count(*) DESC, application_name
"""
_PENDING = "SELECT count(*) AS waiting, min(missed_at) AS oldest FROM pending_invalidation"


@dataclass(frozen=True, slots=True)
class PendingInvalidations:
    """Products whose cached copy could not be deleted yet, and since when the first waits."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds a lock for which statements of the processor or the shop wait."""

    pid: int
    role: str
    application: str


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """`longest_statement_seconds`: of those that run, but this program's; None if none runs.

    `applications`: the name that each session gives → how many, most first.
    """

    connections: int
    connections_allowed: int
    size_bytes: int
    longest_statement_seconds: float | None
    blockers: list[Blocker]
    applications: dict[str, int]


@dataclass(frozen=True, slots=True)
class CacheState:
    """`evictions`, `hit_rate`: since the server started (`server`), or of the last hour (`metrics`).

    None: unknown. `memory_share`: of the most it may use; a local server has no limit.
    """

    memory_bytes: int | None
    memory_share: float | None
    evictions: int | None
    hit_rate: float | None
    source: str


async def read_pending(connections: Connections) -> PendingInvalidations:
    """Return the pending invalidations."""
    pool = await connections.database()
    (row,) = await pool.fetch(_PENDING)
    return PendingInvalidations(row["waiting"], row["oldest"])


async def read_database(connections: Connections) -> DatabaseState:
    """Return how the database is."""
    pool = await connections.database()
    (row,) = await pool.fetch(_CONNECTIONS)
    blockers = [Blocker(**found) for found in await pool.fetch(_BLOCKERS)]
    applications = dict(map(tuple, await pool.fetch(_APPLICATIONS)))
    return DatabaseState(
        row["used"], row["allowed"], row["size_bytes"], row["longest"], blockers, applications
    )


async def read_cache(connections: Connections, now: datetime) -> CacheState:
    """Return how the cache is; in ElastiCache by its metrics, since the shop's user may not ask for INFO."""
    cache = connections.cache()
    await cache.ping()
    try:
        info = await cache.info()
    except NoPermissionError:
        return await _from_metrics(connections, now)
    limit, used = int(info.get("maxmemory", 0)), int(info["used_memory"])
    hits, misses = int(info["keyspace_hits"]), int(info["keyspace_misses"])
    return CacheState(
        used,
        used / limit if limit else None,
        int(info["evicted_keys"]),
        hits / (hits + misses) if hits + misses else None,
        "server",
    )


async def _from_metrics(connections: Connections, now: datetime) -> CacheState:
    # The first node, which may be the primary or its replica.
    dimensions = {"CacheClusterId": f"{connections.environment.cache_cluster_id}-001"}
    statistics = {
        "BytesUsedForCache": "Maximum",
        "DatabaseMemoryUsagePercentage": "Maximum",
        "Evictions": "Sum",
        "CacheHits": "Sum",
        "CacheMisses": "Sum",
    }
    metrics = {name: Metric("AWS/ElastiCache", name, dimensions, how) for name, how in statistics.items()}
    cloudwatch = await connections.aws("cloudwatch")
    points = await read_metrics(cloudwatch, metrics, now, minutes=60, period_minutes=5)
    hits, misses = (sum(point.value for point in points[name]) for name in ("CacheHits", "CacheMisses"))
    used, share = _last(points["BytesUsedForCache"]), _last(points["DatabaseMemoryUsagePercentage"])
    return CacheState(
        None if used is None else int(used),
        None if share is None else share / 100,
        round(sum(point.value for point in points["Evictions"])) if points["Evictions"] else None,
        hits / (hits + misses) if hits + misses else None,
        "metrics",
    )


def _last(points: list[Point]) -> float | None:
    return max(points).value if points else None
