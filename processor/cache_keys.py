"""The cache's keys, and how long what they hold lives."""

# A cached product's TTL. Every value a reader stores expires after it, so a value that was not invalidated,
# after a failover of the cache that lost the delete, is stale for no longer (I4). Also depends on it: when a
# pending invalidation is expired (`pending_invalidations.EXPIRED_AFTER_SECONDS`), and how often the schedule
# drains (stacks/invalidation_drain.py; tests/contract/test_names.py compares the two).
CACHE_TIME_TO_LIVE_SECONDS = 300
# A lease's TTL: for how long after its read a reader may still store what it read.
LEASE_SECONDS = 10


def value_key(product_id: str) -> str:
    """Return the key of a cached product."""
    return f"product:{product_id}"


def lease_key(product_id: str) -> str:
    """Return the key of the right to store a product, until it is invalidated; never a value's key."""
    return f"lease:{product_id}"
