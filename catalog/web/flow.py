"""Throughput, lag and the stages of batches as they move.

Of a kept local run from the function's log, each second; on AWS from CloudWatch, which has a point a minute.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from catalog.connections import Connections
from catalog.running import explained
from catalog.status.flow import COUNTS, NAMESPACE, SERVICE
from catalog.status.metrics import Metric, Point, read_metrics
from catalog.web.live import Publish, Source

STAGES = ("decode", "archive", "quarantine", "catalog", "invalidate")
_SECONDS_SHOWN = 600
_BATCHES_SHOWN = 12
_LOG_READ_FIRST = 1024 * 1024
_AWS_MINUTES = 60
_AWS_EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What went through, in records or products a second. `at`: seconds since the epoch; None: unknown."""

    at: float
    received: float | None
    accepted: float | None
    rejected: float | None
    changed: float | None
    lag_seconds: float | None = None
    pending: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """An invocation as the function's log has it. `is_unfinished`: it will come again, or a part of it."""

    at: float
    request_id: str
    records: int
    accepted: int
    rejected: Mapping[str, int]
    products_changed: int
    pending_added: int
    pending_drained: int
    stage_ms: Mapping[str, float]
    is_unfinished: bool


class FunctionLog:
    """The log of a kept run's function; each `read` returns the batches since the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = max(0, path.stat().st_size - _LOG_READ_FIRST) if path.exists() else 0

    def read(self) -> list[Batch]:
        """Return the batches that were logged since."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [batch for line in whole.splitlines() if (batch := _batch(line))]


def local_flow(
    path: Path,
    lag_seconds: Callable[[], float | None],
    pending: Callable[[], int | None],
    on_batches: Callable[[Sequence[Batch]], None],
) -> Source:
    """Return what follows the log of a kept run; the functions return what is known at that moment."""

    async def run(publish: Publish) -> None:
        log = FunctionLog(path)
        batches = log.read()
        moments = deque(_history(batches, time.time()), maxlen=_SECONDS_SHOWN)
        shown = deque(batches, maxlen=_BATCHES_SHOWN)
        publish("flow", {"moments": [asdict(one) for one in moments], "replace": True, "every_seconds": 1})
        publish("batches", [asdict(one) for one in shown])
        while True:
            await asyncio.sleep(1)
            batches = log.read()
            on_batches(batches)
            moment = _moment(int(time.time()), batches, lag_seconds(), pending())
            moments.append(moment)
            publish(
                "flow",
                {"moments": [asdict(moment)], "replace": False, "every_seconds": 1},
                {"moments": [asdict(one) for one in moments], "replace": True, "every_seconds": 1},
            )
            if batches:
                shown.extend(batches)
                publish("batches", [asdict(one) for one in shown])

    return run


def aws_flow(connections: Connections) -> Source:
    """Return what follows an environment on AWS by its metrics."""

    async def run(publish: Publish) -> None:
        while True:
            try:
                moments, stages = await moments_of_metrics(connections, datetime.now(UTC))
                publish(
                    "flow",
                    {"moments": [asdict(one) for one in moments], "replace": True, "every_seconds": 60},
                )
                publish("stages", stages)
            except Exception as error:
                if (told := explained(error)) is None:
                    raise
                publish("flow-fault", {"error": str(told)})
            await asyncio.sleep(_AWS_EVERY_SECONDS)

    return run


def _batch(line: bytes) -> Batch | None:
    """Return the batch of a line of the log; None if it is about something else."""
    if not (line.startswith(b"{") and b'"batch"' in line):
        return None
    try:
        entry = json.loads(line)
        if entry["message"] != "batch":
            return None
        return Batch(
            at=datetime.strptime(entry["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp(),
            request_id=str(entry["request_id"]),
            records=entry["records"],
            accepted=entry["accepted"],
            rejected=entry["rejected"],
            products_changed=entry["products_changed"],
            pending_added=entry["pending_invalidations_added"],
            pending_drained=entry["pending_invalidations_drained"],
            stage_ms=entry["stage_ms"],
            is_unfinished=entry.get("first_unfinished") is not None,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _moment(at: int, batches: Iterable[Batch], lag_seconds: float | None, pending: int | None) -> Moment:
    # What is unfinished comes again, and would be counted twice.
    done = [batch for batch in batches if not batch.is_unfinished]
    return Moment(
        at=at,
        received=sum(batch.records for batch in done),
        accepted=sum(batch.accepted for batch in done),
        rejected=sum(sum(batch.rejected.values()) for batch in done),
        changed=sum(batch.products_changed for batch in done),
        lag_seconds=lag_seconds,
        pending=pending,
    )


def _history(batches: Sequence[Batch], now: float) -> list[Moment]:
    """Return a moment for each second before now."""
    by_second: dict[int, list[Batch]] = {}
    for batch in batches:
        by_second.setdefault(int(batch.at), []).append(batch)
    return [
        _moment(second, by_second.get(second, []), None, None)
        for second in range(int(now) - _SECONDS_SHOWN + 1, int(now) + 1)
    ]


async def moments_of_metrics(
    connections: Connections, now: datetime
) -> tuple[list[Moment], dict[str, float | None]]:
    """Return the moments of the last hour, and how long each stage took on average in its last minute."""
    environment = connections.environment
    dimensions = {"service": SERVICE, "environment": environment.name}
    metrics = {name: Metric(NAMESPACE, metric, dimensions, "Sum") for name, metric in COUNTS.items()}
    metrics |= {stage: Metric(NAMESPACE, f"{stage.title()}Time", dimensions, "Average") for stage in STAGES}
    metrics["lag"] = Metric(
        "AWS/Lambda", "IteratorAge", {"FunctionName": environment.function_name}, "Maximum"
    )
    points = await read_metrics(
        await connections.aws("cloudwatch"), metrics, now, minutes=_AWS_MINUTES, period_minutes=1
    )
    minutes = sorted({point.begin for found in points.values() for point in found})
    values = {name: {point.begin: point.value for point in found} for name, found in points.items()}

    def rate(name: str, minute: datetime) -> float | None:
        value = values[name].get(minute)
        return None if value is None else value / 60

    moments = [
        Moment(
            at=minute.timestamp(),
            received=rate("received", minute),
            accepted=rate("accepted", minute),
            rejected=rate("rejected", minute),
            changed=rate("products changed", minute),
            lag_seconds=None if (lag := values["lag"].get(minute)) is None else lag / 1000,
        )
        for minute in minutes
    ]
    return moments, {stage: _last(points[stage]) for stage in STAGES}


def _last(points: list[Point]) -> float | None:
    return max(points).value if points else None
