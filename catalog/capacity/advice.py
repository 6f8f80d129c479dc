"""What to do where one database, or one stream, ends."""

from collections.abc import Iterator

from catalog.capacity.plan import Plan

_ACCOUNT_CONCURRENCY = 1_000
_MANY_SHARDS = 200


def advice(plan: Plan) -> Iterator[str]:
    """Yield what the plan needs beside larger settings."""
    if plan.databases > 1:
        most = max(plan.classes, key=lambda each: each.rows)
        yield (
            f"One database ends at {most.rows:,.0f} updates/s ({most.instance_class}, by its {most.limit}). "
            f"Divide the products over {plan.databases} environments, each with its own stream, database and "
            "cache: a supplier sends a product by its id's hash to one of them, and the shop reads it there. "
            "No transaction spans two products, so nothing else changes."
        )
        yield (
            "Existing engines that divide one table: Citus (distributed by product_id) and Aurora PostgreSQL "
            "Limitless. The versions in each row make the upsert safe there, too; neither was measured."
        )
    if plan.shards > _MANY_SHARDS:
        yield (
            f"{plan.shards:,} shards need a quota. A stream on demand scales by itself. A hot product fills "
            "one shard at 1,000 updates/s; without partition keys, Kinesis spreads records evenly (automatic "
            "record distribution). These updates commute, so this pipeline may use it; a consumer that needs "
            "a product's records in order may not."
        )
    if plan.reserved > _ACCOUNT_CONCURRENCY:
        yield (
            f"A concurrency of {plan.reserved:,} needs a quota: an account has {_ACCOUNT_CONCURRENCY:,} at "
            f"first. {plan.concurrency:,} batches run at the same time; the others are for a backlog."
        )
