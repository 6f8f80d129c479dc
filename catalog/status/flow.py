"""What went through the processor of late: throughput, and rejections by reason."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.archive_lines import numbered
from catalog.connections import Connections
from catalog.objects import Identity, identity_of, list_keys, parse_key, parse_line, read_objects
from catalog.repair.marks import Marks, read_marks, record_name
from catalog.status.metrics import Metric, read_metrics
from processor.reasons import Reason
from processor.s3_objects import ACCEPTED, ARCHIVE_PREFIX, QUARANTINE_PREFIX

# Also in processor/adapters/telemetry.py, which is slow to import; a test compares them.
NAMESPACE = "ProductCatalog"
SERVICE = "inventory-processor"
COUNTS = {
    "received": "RecordsIn",
    "accepted": "RecordsAccepted",
    "rejected": "RecordsRejected",
    "products changed": "ProductsChanged",
}
_MOST_BYTES = 64 * 1024 * 1024
_MOST_KEYS = 100_000
_VERDICT = b'"verdict":"'
_ACCEPTED = _VERDICT + ACCEPTED.encode() + b'"'


@dataclass(frozen=True, slots=True)
class Throughput:
    """Records by what became of them, in the last 5 and 60 minutes; None: unknown.

    `source`: `metrics`, `archive` (when its objects were written), or why there is none.
    """

    counts: dict[str, tuple[int, int] | None]
    source: str


@dataclass(frozen=True, slots=True)
class Rejections:
    """Rejected records by reason, today (UTC) and in 24 hours. `source`: `quarantine` or `metrics`.

    `repaired`: how many of those in 24 hours were fixed or redriven since, by reason; None: unknown.
    """

    by_reason: dict[str, tuple[int, int]]
    source: str
    repaired: dict[str, int] | None = None


@dataclass(slots=True)
class ReadObjects:
    """What objects hold that were read before, by key: they never change."""

    archive: dict[str, tuple[int, int]] = field(default_factory=dict)
    quarantine: dict[str, list[tuple[Identity, str, str]]] = field(default_factory=dict)


async def read_throughput(connections: Connections, now: datetime, known: ReadObjects) -> Throughput:
    """Return what went through, by the processor's metrics, or by the archive where there are none."""
    dimensions = {"service": SERVICE, "environment": connections.environment.name}
    metrics = {key: Metric(NAMESPACE, name, dimensions, "Sum") for key, name in COUNTS.items()}
    cloudwatch = await connections.aws("cloudwatch")
    points = await read_metrics(cloudwatch, metrics, now, minutes=60, period_minutes=1)
    if any(points.values()):
        lately = now - timedelta(minutes=5)
        return Throughput(
            {
                key: (
                    round(sum(point.value for point in found if point.begin >= lately)),
                    round(sum(point.value for point in found)),
                )
                for key, found in points.items()
            },
            "metrics",
        )
    return await _from_archive(connections, now, known)


async def read_rejections(
    connections: Connections, now: datetime, known: ReadObjects, marks: Marks
) -> Rejections:
    """Return the rejections in quarantine; by the metrics where it holds too much to read at once.

    `marks`: those that were read before, to which new ones are added.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    day = timedelta(days=1)
    written = await _written_since(s3, bucket, QUARANTINE_PREFIX, now - day, days_before=2)
    if written is None:
        return await _from_metrics(connections, now)
    unread = [key for key in written if key not in known.quarantine]
    async for key, body in read_objects(s3, bucket, unread, on_damage=_ignore):
        known.quarantine[key] = [found for _, text in numbered(body) if (found := _rejection(text))]
    records = {found for key in written for found in known.quarantine.get(key, [])}
    since = [now.replace(hour=0, minute=0, second=0, microsecond=0), now - day]
    counters = [
        Counter(reason for _, arrived, reason in records if arrived >= _text(moment)) for moment in since
    ]
    reasons = sorted(set().union(*counters), key=lambda reason: (-counters[1][reason], reason))
    await read_marks(connections, marks)
    done = marks.of_records
    repaired = Counter(
        reason
        for identity, arrived, reason in records
        if arrived >= _text(now - day) and record_name(identity) in done
    )
    by_reason = {reason: (counters[0][reason], counters[1][reason]) for reason in reasons}
    return Rejections(by_reason, "quarantine", dict(repaired))


async def _from_archive(connections: Connections, now: datetime, known: ReadObjects) -> Throughput:
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    written = await _written_since(s3, bucket, ARCHIVE_PREFIX, now - timedelta(hours=1), days_before=1)
    if written is None:
        return Throughput(dict.fromkeys(COUNTS), "no metrics in CloudWatch, and too many objects to count")
    unread = [key for key in written if key not in known.archive]
    async for key, body in read_objects(s3, bucket, unread, on_damage=_ignore):
        lines = [text for _, text in numbered(body)]
        # Old releases wrote no verdict. A partition key cannot hold it, for its quotes are escaped.
        known.archive[key] = len(lines), sum(_ACCEPTED in text or _VERDICT not in text for text in lines)
    hour = [(at, *known.archive[key]) for key, at in written.items() if key in known.archive]
    lately = [one for one in hour if one[0] >= now - timedelta(minutes=5)]
    received = sum(one[1] for one in lately), sum(one[1] for one in hour)
    accepted = sum(one[2] for one in lately), sum(one[2] for one in hour)
    rejected = received[0] - accepted[0], received[1] - accepted[1]
    counts = {"received": received, "accepted": accepted, "rejected": rejected}
    return Throughput({key: counts.get(key) for key in COUNTS}, "archive")


async def _from_metrics(connections: Connections, now: datetime) -> Rejections:
    dimensions = {"service": SERVICE, "environment": connections.environment.name}
    metrics = {
        reason.value: Metric(
            NAMESPACE, "RecordsRejectedByReason", {**dimensions, "reason": reason.value}, "Sum"
        )
        for reason in Reason
    }
    cloudwatch = await connections.aws("cloudwatch")
    points = await read_metrics(cloudwatch, metrics, now, minutes=24 * 60, period_minutes=5)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    by_reason = {
        reason: (
            round(sum(point.value for point in found if point.begin >= today)),
            round(sum(point.value for point in found)),
        )
        for reason, found in points.items()
        if found
    }
    return Rejections(by_reason, "metrics")


async def _written_since(
    s3: Any, bucket: str, prefix: str, since: datetime, *, days_before: int
) -> dict[str, datetime] | None:
    """Return the objects written since then, and when; None if they are too many, or too large, to read.

    `days_before`: how many days before that the first record of a batch written then may have arrived.
    """
    first = since.date() - timedelta(days=days_before)
    written, size, seen = {}, 0, 0
    async for listed in list_keys(s3, bucket, prefix, after=f"{prefix}dt={first}"):
        seen += 1
        if listed["LastModified"] >= since and parse_key(listed["Key"]) is not None:
            written[listed["Key"]] = listed["LastModified"]
            size += listed["Size"]
        if size > _MOST_BYTES or seen > _MOST_KEYS:
            return None
    return written


def _rejection(text: bytes) -> tuple[Identity, str, str] | None:
    try:
        members = parse_line(text)
        return identity_of(members), str(members["arrival_time"]), str(members["reason"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ignore(key: str, reason: str) -> None:
    """Leave a damaged object to `catalog archive verify`."""
