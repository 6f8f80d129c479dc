"""The verdict of `make local`: is the pipeline's result right? Computed without the processor's code."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from local.demo.feed import Sent
from local.feed_lines import DEFAULTS, Identity, fields_of, read_lines

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis
    from types_aiobotocore_s3 import S3Client

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim and whether it holds; `detail` has the figures, or what contradicts it."""

    claim: str
    holds: bool
    detail: str


async def check_catalog(sent: Sequence[Sent], connection: "asyncpg.Connection[Any]") -> Finding:
    """Check that each row has the newest value sent of each field, and that no row is missing or extra."""
    expected = _fold(sent)
    rows = await connection.fetch("SELECT * FROM products")
    actual = {row["product_id"]: (*_values(row), row["last_updated"]) for row in rows}
    return _compare("catalog = fold of the updates sent", expected, actual, "products")


async def check_archive(sent: Sequence[Sent], s3: "S3Client", bucket: str) -> Finding:
    """Check that exactly the sent records are archived, byte for byte, each with its identity and outcome."""
    expected = {
        (one.shard, one.sequence_number, 0): (one.record.data, "accepted" if one.record.good else "rejected")
        for one in sent
    }
    actual: dict[Identity, tuple[bytes, str]] = {}
    objects = 0
    async for body in _bodies(s3, bucket, "inventory/"):
        objects += 1
        for identity, data, fields in read_lines(body):
            actual[identity] = data, "accepted" if fields["verdict"] == "accepted" else "rejected"
    finding = _compare("archive = all records sent, byte for byte", expected, actual, "records")
    return Finding(finding.claim, finding.holds, f"{finding.detail} in {objects:,} objects")


async def check_quarantine(sent: Sequence[Sent], s3: "S3Client", bucket: str) -> Finding:
    """Check that exactly the bad records are in quarantine, byte for byte, each with a reason."""
    expected = {(one.shard, one.sequence_number, 0): one.record.data for one in sent if not one.record.good}
    actual: dict[Identity, bytes] = {}
    async for body in _bodies(s3, bucket, "quarantine/"):
        for identity, data, quarantined in read_lines(body):
            actual[identity] = data
            if not (quarantined["reason"] and quarantined["message"]):
                return Finding(
                    "quarantine = only the bad records", holds=False, detail=f"no reason: {quarantined}"
                )
    return _compare("quarantine = only the bad records", expected, actual, "records")


async def check_cache(redis: "Redis", connection: "asyncpg.Connection[Any]") -> Finding:
    """Check that every cached product equals its row and that no invalidation is pending."""
    rows = await connection.fetch("SELECT * FROM products")
    row_values = {row["product_id"]: _values(row) for row in rows}
    cached: dict[str, tuple[Any, ...]] = {}
    async for key in redis.scan_iter("product:*", count=1000):
        value = await redis.get(key)
        if value is not None:
            product = json.loads(value)
            cached[product["product_id"]] = _values(product)
    expected = {product_id: row_values.get(product_id) for product_id in cached}
    finding = _compare("no stale cache entry", expected, cached, "cached products")
    pending = await connection.fetchval("SELECT count(*) FROM pending_invalidation")
    if pending:
        return Finding(finding.claim, holds=False, detail=f"{pending} invalidations are pending")
    return finding


def check_leases_were_used(hits: int, refused_stores: int, *, least_hits: int, least_refused: int) -> Finding:
    """Check that the readers used the cache enough for the verdict on it to mean something."""
    return Finding(
        "cache hits and refused stores occurred",
        hits >= least_hits and refused_stores >= least_refused,
        f"{hits:,} hits (at least {least_hits:,}), "
        f"{refused_stores:,} refused stores (at least {least_refused})",
    )


def _values(product: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(fields_of(product).values())


def _fold(sent: Iterable[Sent]) -> dict[str, tuple[Any, ...]]:
    newest: dict[tuple[str, str], tuple[tuple[datetime, int, str], Any]] = {}
    for one in sent:
        if not one.record.good:
            continue
        update = json.loads(one.record.data, parse_float=Decimal)
        version = (datetime.fromisoformat(update["event_time"]), int(one.sequence_number), one.shard)
        for field in DEFAULTS:
            before = newest.get((update["product_id"], field))
            if field in update and (before is None or version > before[0]):
                newest[update["product_id"], field] = (version, update[field])
    folded = {}
    for product_id in {product_id for product_id, _ in newest}:
        updated = {field: newest[product_id, field] for field in DEFAULTS if (product_id, field) in newest}
        values = {**DEFAULTS, **{field: value for field, (_, value) in updated.items()}}
        folded[product_id] = (*_values(values), max(version[0] for version, _ in updated.values()))
    return folded


async def _bodies(s3: "S3Client", bucket: str, prefix: str) -> AsyncIterator[bytes]:
    async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            answer = await s3.get_object(Bucket=bucket, Key=found["Key"])
            yield await answer["Body"].read()


def _compare(claim: str, expected: dict[Any, Any], actual: dict[Any, Any], what: str) -> Finding:
    missing = [key for key in expected if key not in actual]
    extra = [key for key in actual if key not in expected]
    different = [key for key in expected if key in actual and expected[key] != actual[key]]
    if not (missing or extra or different):
        return Finding(claim, holds=True, detail=f"{len(actual):,} {what}")
    examples = [f"{key}: expected {expected[key]!r}, found {actual[key]!r}" for key in different[:_SHOWN]]
    return Finding(
        claim,
        holds=False,
        detail=f"{len(missing)} missing {missing[:_SHOWN]}, {len(extra)} extra {extra[:_SHOWN]}, "
        f"{len(different)} different {examples}",
    )
