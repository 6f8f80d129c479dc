"""What is being retried: invocations that failed, and batches that came back unfinished."""

from dataclasses import dataclass
from datetime import datetime

from catalog.connections import Connections
from catalog.status.flow import NAMESPACE, SERVICE
from catalog.status.metrics import Metric, Point, read_metrics

MINUTES = 5


@dataclass(frozen=True, slots=True)
class Retries:
    """`errors`: failed invocations; `unfinished`: batches of which a part came back; in `MINUTES`.

    None: CloudWatch has no invocation of that time.
    """

    errors: int | None
    unfinished: int | None


async def read_retries(connections: Connections, now: datetime) -> Retries:
    """Return what failed of late; Lambda gives it to the function again, until it is too old."""
    environment = connections.environment
    function = {"FunctionName": environment.function_name}
    processor = {"service": SERVICE, "environment": environment.name}
    metrics = {
        "errors": Metric("AWS/Lambda", "Errors", function, "Sum"),
        "unfinished": Metric(NAMESPACE, "BatchesUnfinished", processor, "Sum"),
    }
    cloudwatch = await connections.aws("cloudwatch")
    points = await read_metrics(cloudwatch, metrics, now, minutes=MINUTES, period_minutes=1)
    return Retries(_sum(points["errors"]), _sum(points["unfinished"]))


def _sum(points: list[Point]) -> int | None:
    return round(sum(point.value for point in points)) if points else None
