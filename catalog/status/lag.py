"""How far the processor is behind its stream: by CloudWatch, and by shard from stream and archive."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from catalog.connections import Connections
from catalog.objects import ObjectName, list_keys, parse_key
from catalog.status.metrics import Metric, read_metrics
from processor.s3_objects import ARCHIVE_PREFIX

_MINUTES = 10
_CONCURRENT_SHARDS = 8
# A shard's objects of a day: more take too long to list for a screen.
_MOST_KEYS = 50_000
# An empty answer may come before the next record.
_READS = 5


@dataclass(frozen=True, slots=True)
class ShardLag:
    """How old the oldest record of a shard is that the processor has not done.

    `behind_seconds`: 0 if there is none; None if unknown, see `note`. `source`: `metric` (Kinesis's enhanced
    one) or `archive` (the age of the first record after the newest that is archived).
    """

    shard: str
    behind_seconds: float | None
    source: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """`iterator_age_seconds`: the largest that Lambda measured of late. `missing`: what is not there."""

    iterator_age_seconds: float | None
    shards: list[ShardLag]
    missing: list[str]


@dataclass(slots=True)
class ArchiveTails:
    """The newest archived object of each shard, remembered between two looks."""

    newest: dict[str, ObjectName] = field(default_factory=dict)


async def read_lag(connections: Connections, now: datetime, tails: ArchiveTails) -> Lag:
    """Return how far the processor is behind."""
    environment, kinesis = connections.environment, await connections.aws("kinesis")
    summary = await kinesis.describe_stream_summary(StreamName=environment.stream_name)
    retention = timedelta(hours=summary["StreamDescriptionSummary"]["RetentionPeriodHours"])
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=environment.stream_name)
    shards = [shard async for page in pages for shard in page["Shards"]]
    names = [shard["ShardId"] for shard in shards]
    metrics = {
        "": Metric("AWS/Lambda", "IteratorAge", {"FunctionName": environment.function_name}, "Maximum")
    }
    for name in names:
        dimensions = {"StreamName": environment.stream_name, "ShardId": name}
        metrics[name] = Metric("AWS/Kinesis", "IteratorAgeMilliseconds", dimensions, "Maximum")
    points = await read_metrics(
        await connections.aws("cloudwatch"), metrics, now, minutes=_MINUTES, period_minutes=1
    )
    ages = {key: max(found).value / 1000 for key, found in points.items() if found}
    at_once = asyncio.Semaphore(_CONCURRENT_SHARDS)

    async def of(shard: dict[str, Any]) -> ShardLag | None:
        name = shard["ShardId"]
        if name in ages:
            return ShardLag(name, ages[name], "metric")
        async with at_once:
            lag = await _from_archive(connections, name, now, retention, tails)
        is_closed = "EndingSequenceNumber" in shard["SequenceNumberRange"]
        return None if is_closed and lag.behind_seconds == 0 else lag

    lags = [lag for lag in await asyncio.gather(*map(of, shards)) if lag is not None]
    missing = []
    if "" not in ages:
        missing.append(f"iterator age: CloudWatch has none of {environment.function_name} in {_MINUTES} min")
    if not ages.keys() & set(names):
        missing.append("by shard: from the archive; the stream has no enhanced IteratorAgeMilliseconds")
    return Lag(ages.get(""), lags, missing)


async def _from_archive(
    connections: Connections, shard: str, now: datetime, retention: timedelta, tails: ArchiveTails
) -> ShardLag:
    try:
        newest = await _newest(connections, shard, now, retention, tails)
    except OverflowError:
        return ShardLag(shard, None, "archive", f"over {_MOST_KEYS:,} objects a day")
    record = await _first_after(connections, shard, newest)
    if record is None:
        return ShardLag(shard, 0.0, "archive")
    behind = (now - record["ApproximateArrivalTimestamp"]).total_seconds()
    return ShardLag(shard, max(behind, 0.0), "archive")


async def _newest(
    connections: Connections, shard: str, now: datetime, retention: timedelta, tails: ArchiveTails
) -> ObjectName | None:
    """Return the newest archived object of a shard within the stream's retention. Raises: OverflowError."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    known = tails.newest.get(shard)
    for days_before in range(retention.days + 2):
        day = now.date() - timedelta(days=days_before)
        if known is not None and day < known.day:
            break
        after = known.key if known is not None and known.day == day else ""
        seen = 0
        newest = known if after else None
        async for listed in list_keys(s3, bucket, f"{ARCHIVE_PREFIX}dt={day}/{shard}/", after=after):
            name = parse_key(listed["Key"])
            if name is not None and (newest is None or name.last > newest.last):
                newest = name
            seen += 1
            if seen > _MOST_KEYS:
                raise OverflowError
        if newest is not None:
            tails.newest[shard] = newest
            return newest
    return known


async def _first_after(connections: Connections, shard: str, newest: ObjectName | None) -> Any:
    """Return the first record of the stream that is after those archived; None if there is none."""
    kinesis, stream = await connections.aws("kinesis"), connections.environment.stream_name
    place = {"StreamName": stream, "ShardId": shard}
    iterator = None
    if newest is not None:
        try:
            answer = await kinesis.get_shard_iterator(
                **place,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                StartingSequenceNumber=str(newest.last),
            )
            iterator = answer["ShardIterator"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidArgumentException":
                raise
    if iterator is None:
        answer = await kinesis.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")
        iterator = answer["ShardIterator"]
    for _ in range(_READS):
        taken = await kinesis.get_records(ShardIterator=iterator, Limit=1)
        if taken["Records"]:
            return taken["Records"][0]
        iterator = taken.get("NextShardIterator")
        if iterator is None or taken.get("MillisBehindLatest") == 0:
            return None
    return None
