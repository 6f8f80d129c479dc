"""`catalog status`: one screen, from CloudWatch and the stores; what cannot be reached hides nothing else."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aioboto3
import asyncpg
import pytest

from local.demo.kept_run import environment_members
from local.demo.kept_state import hold_state
from local.emulated_aws.account import REGION
from local.servers import Servers
from tests.catalog.conftest import Catalog
from tests.support.events import SHARD, kinesis_event, kinesis_record
from tests.support.failed_batches import put_failed_batch, update_event
from tests.support.real_servers import Services, until

PROJECT = Path(__file__).parents[2]
SCREEN = """
local           <time>

alarms          – CloudWatch has none of this environment
lag             iterator age –
                1 shard, none behind
                – iterator age: CloudWatch has none of inventory-processor-local in 10 min
                – by shard: from the archive; the stream has no enhanced IteratorAgeMilliseconds
retries         – CloudWatch has no invocation in 5 min
throughput       5 min: 5 received, 2 accepted, 3 rejected, – products changed
                60 min: 5 received, 2 accepted, 3 rejected, – products changed
                – CloudWatch has no metrics: counted in the archive
failed batches  1 to redrive, the oldest for <time>; about 2 messages (one may be S3's test event)
quarantine                                  today     24 h  repaired since
                invalid_json                    2        2               0
                invalid_price                   1        1               1
invalidations   1 pending, the oldest for <time>
database        <number> of 97 connections, <size>, no statement runs
cache           <size>, 0 evictions, <number>% hits since it started
"""


@pytest.fixture
async def cloudwatch(servers: Servers) -> AsyncIterator[Any]:
    """CloudWatch of the emulator, which all tests share; the alarms are deleted afterwards."""
    session = aioboto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    async with session.client("cloudwatch", endpoint_url=servers.moto.endpoint_url) as client:
        yield client
        alarms = (await client.describe_alarms())["MetricAlarms"]
        await client.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms])


def masked(text: str) -> str:
    """Return the screen without what differs in each run."""
    text = re.sub(r"[0-9]{4}-[0-9-]+T[0-9:]+\+00:00", "<time>", text)
    text = re.sub(r"(for |  )[0-9.]+ s\b", r"\1<time>", text)
    text = re.sub(r"[0-9.]+ [kM]B", "<size>", text)
    text = re.sub(r"[0-9.]+( of 97|% hits)|– hits", r"<number>\1", text).replace(
        "<number> since", "<number>% hits since"
    )
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def now(data: str, position: int) -> dict[str, Any]:
    """Return a record that has just arrived, on the shard of the emulator's stream."""
    one = kinesis_record(data, position, arrival_seconds=time.time())
    return one | {"eventID": one["eventID"].replace(SHARD, "shardId-000000000000")}


async def test_one_screen(services: Services, catalog: Catalog) -> None:
    bad = '{"product_id": "b", "price": 1.005}'
    event = kinesis_event(now('{"product_id": "a", "price": 1}', 0), now("x", 1), now("y", 2), now(bad, 3))
    await services.invoke(event)
    await services.invoke(event)
    fix = ("quarantine", "fix", "--rule", "price: round to 2 decimals", "--yes", "--reason", "a test")
    assert (await catalog(*fix)).exit_code == 0
    await services.database.execute("INSERT INTO pending_invalidation (product_id) VALUES ('a')")
    account = services.account
    await account.s3.put_object(Bucket=account.quarantine_bucket, Key="aws/lambda/x/1", Body=b"{}")
    result = await catalog("status")
    assert masked(result.stdout).splitlines() == SCREEN.strip().splitlines()
    assert (result.exit_code, result.stderr) == (0, "")


async def test_what_is_retried_is_told(
    services: Services, catalog: Catalog, cloudwatch: Any, tmp_path: Path
) -> None:
    state = tmp_path / "kept-run.json"
    kept = json.loads(state.read_text())
    kept["environment"]["function_name"] = function = f"processor-{services.account.stream_name}"
    state.write_text(json.dumps(kept))
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    for name, value in (("Errors", 3.0), ("IteratorAge", 150_000.0)):
        datum = {"MetricName": name, "Dimensions": [{"Name": "FunctionName", "Value": function}]}
        await cloudwatch.put_metric_data(
            Namespace="AWS/Lambda", MetricData=[datum | {"Value": value, "Timestamp": earlier}]
        )
    lines = (await catalog("status")).stdout.splitlines()
    (retries,) = [line.rstrip() for line in lines if line.startswith("retries")]
    assert (
        retries
        == "retries         3 invocations failed, 0 ended unfinished in 5 min: their batches are tried again"
    )
    assert any(line.startswith("lag             iterator age 2 min") for line in lines)


async def test_a_redriven_batch_does_not_wait(services: Services, catalog: Catalog) -> None:
    await put_failed_batch(services, update_event(1), "one")
    assert json.loads((await catalog("status", "--json")).stdout)["failures"]["objects"] == 1
    await catalog("redrive", "--yes", "--reason", "test")
    assert json.loads((await catalog("status", "--json")).stdout)["failures"]["objects"] == 0


async def test_a_record_that_is_not_done_is_the_lag_of_its_shard(
    services: Services, catalog: Catalog
) -> None:
    kinesis, stream = services.account.kinesis, services.account.stream_name
    data = '{"product_id": "a", "price": 1}'
    for number in range(2):
        put = await kinesis.put_record(StreamName=stream, PartitionKey="a", Data=data.encode())
        if number == 0:
            done = now(data, 0)
            done["kinesis"]["sequenceNumber"] = put["SequenceNumber"]
            await services.invoke(kinesis_event(done))
            assert json.loads((await catalog("status", "--json")).stdout)["lag"]["shards"] == [
                {"shard": "shardId-000000000000", "behind_seconds": 0.0, "source": "archive", "note": None}
            ]
    document = json.loads((await catalog("status", "--json")).stdout)
    assert 0 < document["lag"]["shards"][0]["behind_seconds"] < 60
    lines = masked((await catalog("status")).stdout).splitlines()
    assert lines[4:6] == [f"{'':16}1 shard, 1 behind", f"{'':18}shardId-000000000000  <time>"]


async def test_an_alarm_that_is_on_ends_with_1(catalog: Catalog, cloudwatch: Any) -> None:
    for environment, topics in (("local", True), ("my-local", True), ("dev", False)):
        for name in ("errors", "duration"):
            await cloudwatch.put_metric_alarm(
                AlarmName=f"product-catalog-{name}-{environment}",
                AlarmActions=[f"arn:aws:sns:us-east-1:123456789012:catalog-alarms-{environment}"] * topics,
                Namespace="N", MetricName="M", Statistic="Sum", Period=60, EvaluationPeriods=1,
                Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
            )  # fmt: skip
            await cloudwatch.set_alarm_state(
                AlarmName=f"product-catalog-{name}-{environment}",
                StateValue="ALARM" if name == "errors" else "OK",
                StateReason="[red]too\nmany",
            )
    result = await catalog("status")
    assert masked(result.stdout).splitlines()[2] == ("alarms          errors, for <time>: [red]too\\nmany")
    document = json.loads((await catalog("status", "--json")).stdout)
    assert [(alarm["name"], alarm["state"]) for alarm in document["alarms"]] == [
        ("duration", "OK"),
        ("errors", "ALARM"),
    ]
    assert result.exit_code == 1


async def test_what_cannot_be_reached_hides_nothing_else(services: Services, catalog: Catalog) -> None:
    await services.database.execute("DROP TABLE pending_invalidation")
    await services.account.s3.delete_bucket(Bucket=services.account.archive_bucket)
    result = await catalog("status", "--json")
    document = json.loads(result.stdout)
    assert [name for name, part in document.items() if isinstance(part, dict) and "error" in part] == [
        "lag",
        "throughput",
        "pending",
    ]
    assert document["pending"]["error"].startswith("UndefinedTableError: ")
    assert document["database"]["connections_allowed"] == 97
    assert result.exit_code == 1


async def test_the_longest_statement_is_seen_whoever_runs_it(services: Services, catalog: Catalog) -> None:
    """The login that may only read is told how long it runs, not what it is."""
    waiting = await asyncpg.connect(services.postgres.dsn)
    async with services.database.transaction():
        await services.database.execute("LOCK TABLE processing_attempt")
        running = asyncio.create_task(waiting.fetchval("SELECT count(*) FROM processing_attempt"))

        async def is_seen() -> bool:
            document = json.loads((await catalog("status", "--json")).stdout)
            return document["database"]["longest_statement_seconds"] is not None

        await until(is_seen)
    assert await running == 0
    await waiting.close()


async def test_watching_ends_with_ctrl_c(services: Services, servers: Servers, tmp_path: Path) -> None:
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    state = tmp_path / "kept-run.json"
    with hold_state(state, {"environment": members}):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "catalog", "status", "--watch", "--every", "1", "--json",
            cwd=PROJECT, env={**os.environ, "CATALOG_KEPT_RUN": str(state)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert program.stdout is not None
        assert program.stderr is not None
        for _ in range(2):
            assert json.loads(await program.stdout.readline())["environment"] == "local"
        program.send_signal(signal.SIGINT)
        assert (await program.wait(), await program.stderr.read()) == (0, b"")
