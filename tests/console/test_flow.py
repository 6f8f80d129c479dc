"""What the console's charts are made of: the function's log on one machine, CloudWatch's metrics on AWS."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from catalog.connections import Connections
from catalog.environment import Environment
from catalog.status.flow import NAMESPACE, SERVICE
from catalog.web.flow import STAGES, Batch, FunctionLog, local_flow, moments_of_metrics
from local.demo.kept_run import environment_members
from local.emulated_aws.account import REGION
from local.servers import Servers
from tests.catalog.test_status_metrics import NOW, emit
from tests.support.documents import PROJECT
from tests.support.real_servers import Services


@pytest.fixture
async def aws(services: Services, servers: Servers) -> AsyncIterator[Connections]:
    """Environment with a name of its own, since the emulator keeps the metrics of all tests."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    name = f"flow-{services.account.stream_name}"
    session = aioboto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    async with AsyncExitStack() as stack:
        own = {"name": name, "function_name": name}
        yield Connections(Environment(**members | own), session, stack)


# Five records, two of them rejected: first done, then not. In a process of its own, since a logger keeps the
# standard output that it found first.
LOGS = """
from collections import Counter
from processor.adapters.telemetry import Telemetry
from processor.report import BatchReport

for first_unfinished in (None, "495"):
    report = BatchReport(kinesis_records=5, records=5, accepted=3, rejected=Counter(too_deep=2))
    report.products_changed, report.first_unfinished = 2, first_unfinished
    report.add_stage_time("archive", 0.0123)
    Telemetry("test").publish_batch(report, request_id="request", connections_in_use=1)
"""


def logged() -> bytes:
    """Return what the function logs of two batches."""
    ended = subprocess.run([sys.executable, "-c", LOGS], cwd=PROJECT, capture_output=True, check=True)  # noqa: S603
    return ended.stdout


def test_a_batch_is_read_from_the_functions_log(tmp_path: Path) -> None:
    path = tmp_path / "function.log"
    log, line = FunctionLog(path), logged()
    assert log.read() == []
    path.write_bytes(b'no JSON\n{"batch": 1}\n' + line[:20])
    assert log.read() == []
    with path.open("ab") as file:
        file.write(line[20:])
    batch, _ = log.read()
    assert (batch.records, batch.accepted, batch.rejected, batch.products_changed) == (
        5,
        3,
        {"too_deep": 2},
        2,
    )
    assert (batch.stage_ms, batch.is_unfinished) == ({"archive": 12.3}, False)
    assert log.read() == []


async def test_what_is_unfinished_is_shown_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "function.log"
    path.write_bytes(logged())
    published: dict[str, Any] = {}
    noted: list[Batch] = []

    def publish(name: str, data: Any, whole: Any = None) -> None:
        published.setdefault(name, data)

    running = asyncio.ensure_future(local_flow(path, lambda: 1.5, lambda: 2, noted.extend)(publish))
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    moments = published["flow"]["moments"]
    assert [
        len(moments),
        sum(one["received"] for one in moments),
        sum(one["rejected"] for one in moments),
    ] == [600, 5, 2]
    assert [batch["is_unfinished"] for batch in published["batches"]] == [False, True]


async def test_on_aws_a_minutes_sums_become_rates(aws: Connections) -> None:
    dimensions = {"service": SERVICE, "environment": aws.environment.name}
    for name, value in {"RecordsIn": 600, "RecordsAccepted": 540, "ArchiveTime": 30}.items():
        await emit(aws, NAMESPACE, name, 2, value, **dimensions)
    await emit(aws, NAMESPACE, "RecordsIn", 90, 600, **dimensions)
    await emit(aws, "AWS/Lambda", "IteratorAge", 2, 4_000, FunctionName=aws.environment.function_name)
    (moment,), stages = await moments_of_metrics(aws, NOW)
    assert (moment.received, moment.accepted, moment.rejected, moment.lag_seconds) == (10.0, 9.0, None, 4.0)
    assert stages == dict.fromkeys(STAGES) | {"archive": 30.0}
