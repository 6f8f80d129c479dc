"""docs/operating.md: a section per alarm, the metrics that are emitted, and redriving by hand."""

import json
import re
import shlex
from collections import Counter
from contextlib import chdir, redirect_stdout
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest

from processor.adapters.telemetry import Telemetry
from processor.reasons import Reason
from processor.report import BatchReport, DrainReport
from processor.s3_objects import quarantine_line
from processor.updates import Rejection
from tests.support.documents import PROJECT, blocks, document, names_in
from tests.support.environments import PROD
from tests.support.events import ARRIVAL_MS, ARRIVAL_TIME, kinesis_event, kinesis_record, record
from tests.support.monitoring import alarms_of, synthesize_observability
from tests.support.real_servers import ALL_DONE, Services

OPERATING = document("docs/operating.md")
PARTS = ["Means", "First look", "Do", "Left alone"]
STAGES = ("decode", "archive", "quarantine", "catalog", "invalidate")


def test_each_alarm_has_its_section(tmp_path: Path) -> None:
    """Alarms per node of the cache share one."""
    alarms = {re.sub(r"-\d{3}$", "", name) for name in alarms_of(synthesize_observability(PROD, tmp_path))}
    levels = OPERATING.headings()
    start = levels.index((2, "Alarms")) + 1
    sections = []
    for level, text in levels[start:]:
        if level == 2:
            break
        sections.append(text)
    assert sorted(sections) == sorted(alarms)
    for name in sections:
        assert re.findall(r"^- \*\*(.+?):\*\*", OPERATING.section(name), re.MULTILINE) == PARTS, name


def test_each_metric_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    report = BatchReport(kinesis_records=1, rejected=Counter(invalid_json=1))
    for stage in STAGES:
        report.add_stage_time(stage, 0.001)
    telemetry = Telemetry("dev")
    telemetry.publish_batch(report, request_id="request", connections_in_use=1)
    telemetry.publish_drain(DrainReport(), request_id="request")
    emitted = {
        metric["Name"]
        for line in capsys.readouterr().out.splitlines()
        if "_aws" in (fields := json.loads(line))
        for directive in fields["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    listed = {name for row in OPERATING.table("metric", "counts") for name in names_in(row[0])}
    assert listed == emitted


def test_each_message_of_the_log_is_explained() -> None:
    """So that what an operator is sent to look for is what the log says."""
    source = (PROJECT / "processor" / "adapters" / "telemetry.py").read_text()
    messages = set(re.findall(r'_logger\.\w+\(\s*"([^"]+)"', source))
    assert "batch unfinished" in messages
    spans = " ".join(document("docs/operating.md").code_spans())
    assert not {message for message in messages if message not in spans}


async def test_a_failed_batch_is_redriven_by_hand(services: Services, tmp_path: Path) -> None:
    """Its invocation record has the whole event as a text, as the local event source mapping writes it."""
    event = kinesis_event(kinesis_record({"product_id": "a", "inventory": 1}))
    (tmp_path / "failed-batch.json").write_text(json.dumps({"version": "1.0", "payload": json.dumps(event)}))
    _, option, code, _, target = shlex.split(command_with_code("failed-batch.json"))
    with redirect_stdout(StringIO()) as printed, chdir(tmp_path):
        exec(code)  # noqa: S102 our own document
    assert (option, target) == ("-c", "event.json")
    assert await services.invoke(json.loads(printed.getvalue())) == ALL_DONE
    row = await services.row("a")
    assert row is not None
    assert row["inventory"] == 1


@pytest.mark.parametrize("event_time", ["2026-01-31T08:00:00Z", None])
async def test_a_rejected_record_is_put_again_by_hand(
    services: Services, tmp_path: Path, event_time: str | None
) -> None:
    """Its line in quarantine gives the partition key, the bytes and the time from which they count."""
    update = {"product_id": "é", "inventory": 1} | ({"event_time": event_time} if event_time else {})
    received = record(update, partition_key="its key")
    line = quarantine_line(Rejection(received, Reason.CATALOG_REFUSED, "refused"))
    (tmp_path / "rejected.json").write_bytes(line)
    _, option, code = shlex.split(command_with_code("rejected.json"))
    assert option == "-c"
    with redirect_stdout(StringIO()) as printed, chdir(tmp_path):
        exec(code)  # noqa: S102 our own document
    assert printed.getvalue() == "its key\n"
    again = (tmp_path / "update.json").read_bytes()
    assert event_time is None or again == received.data
    assert (
        await services.invoke(kinesis_event(kinesis_record(again, arrival_seconds=ARRIVAL_MS / 1000 + 60)))
        == ALL_DONE
    )
    row = await services.row("é")
    assert row is not None
    assert row["last_updated"] == datetime.fromisoformat(event_time or ARRIVAL_TIME)


def command_with_code(file: str) -> str:
    """Return the command that runs Python on this file; a shell leaves the backslashes to Python."""
    commands = [
        command
        for block in blocks("sh")
        for command in re.split(r"(?<!\\)\n", block.text)
        if " -c " in command and file in command
    ]
    assert len(commands) == 1
    return commands[0]
