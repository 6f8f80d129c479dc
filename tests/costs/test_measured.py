"""What the costs assume about records, objects, lines and metrics, held against the code and the week."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from typing import Any, cast

import pytest

from costs.archive import archive_bytes
from costs.fixed import DRAIN_METRICS
from costs.load import RECORD_BYTES, WEEK_BY_HOUR
from costs.logs import BATCH_BYTES, DRAIN_BYTES
from costs.usage import BATCH_METRICS
from local.demo.feed import WEEK
from processor.adapters.s3 import S3Archive
from processor.records import Record
from processor.s3_objects import ACCEPTED
from tests.support.documents import PROJECT
from tests.support.events import ARRIVAL_MS

FIRST_NUMBER = 49590338271490256608559692538361571095921575989136588898
# In another process, since a logger keeps the first output that it is given.
PUBLISH = """
import sys
from processor.adapters.telemetry import Telemetry
from processor.report import DrainReport
from tests.support.events import record
from tests.support.fakes import FakeServices

request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
telemetry = Telemetry("prod")
report = FakeServices().process(*(record({"product_id": str(n), "inventory": n}, n) for n in range(100)))
if sys.argv[1] == "batch":
    telemetry.publish_batch(report, request_id=request_id, connections_in_use=2)
else:
    telemetry.publish_drain(DrainReport(), request_id=request_id)
"""


class KeptObjects:
    """S3 client that keeps the bytes it is to put."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def put_object(self, **request: Any) -> None:
        self.bodies.append(request["Body"])


@pytest.fixture(scope="module")
def week() -> list[bytes]:
    """Every record of the week, in order."""
    with gzip.open(WEEK) as lines:
        return [line.rstrip(b"\n") for line in lines]


def test_records_are_the_week_s(week: list[bytes]) -> None:
    assert sum(map(len, week)) / len(week) == pytest.approx(RECORD_BYTES, abs=0.1)
    hours = Counter(int(json.loads(line)["event_time"][11:13]) for line in week)
    assert tuple(hours[hour] for hour in range(24)) == WEEK_BY_HOUR


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
async def test_objects_are_as_large_as_the_processor_writes_them(week: list[bytes], count: int) -> None:
    records = [
        Record(
            shard="shardId-000000000002",
            # As far apart as Kinesis's numbers of a busy shard are.
            sequence_number=str(FIRST_NUMBER + position * 549_755_813_881),
            sub_sequence=0,
            partition_key=json.loads(data)["product_id"],
            arrival_ms=ARRIVAL_MS + position * 5000 // count,
            data=data,
        )
        for position, data in enumerate(islice(week, count))
    ]
    kept = KeptObjects()
    await S3Archive(cast("Any", kept), "archive").put(records, [ACCEPTED] * count)
    (body,) = kept.bodies
    assert archive_bytes(count) == pytest.approx(len(body), rel=0.15)


def published(what: str) -> bytes:
    """Return the lines that the processor writes for a batch without errors, or for a drain."""
    command = [sys.executable, "-c", PUBLISH, what]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, check=True).stdout  # noqa: S603


def metrics(lines: bytes) -> set[str]:
    """Return the names of the metrics in the lines."""
    return {
        metric["Name"]
        for line in map(json.loads, lines.splitlines())
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
    }


def test_lines_and_metrics_are_those_that_the_processor_emits() -> None:
    batch, drain = published("batch"), published("drain")
    assert len(batch) == pytest.approx(BATCH_BYTES, rel=0.05)
    assert len(drain) == pytest.approx(DRAIN_BYTES, rel=0.05)
    assert len(metrics(drain)) == DRAIN_METRICS
    assert len(metrics(batch) - metrics(drain)) == BATCH_METRICS
