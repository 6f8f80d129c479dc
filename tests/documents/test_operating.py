"""docs/operating.md: a section per alarm, and the metrics that are emitted."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from processor.adapters.telemetry import Telemetry
from processor.report import BatchReport, DrainReport
from tests.support.documents import PROJECT, document, names_in
from tests.support.environments import PROD
from tests.support.monitoring import alarms_of, synthesize_observability

OPERATING = document("docs/operating.md")
PARTS = ["Means", "First look", "Do", "Left alone"]
STAGES = ("decode", "archive", "quarantine", "catalog", "invalidate")


def test_each_alarm_has_its_section_and_names_it(tmp_path: Path) -> None:
    """Alarms per node of the cache share one."""
    alarms = set()
    for name, alarm in alarms_of(synthesize_observability(PROD, tmp_path)).items():
        section = re.sub(r"-\d{3}$", "", name)
        assert alarm["alarm_description"].endswith(f". Then: docs/operating.md#{section}"), name
        assert section in OPERATING.anchors()
        alarms.add(section)
    levels = OPERATING.headings()
    start = levels.index((2, "Alarms")) + 1
    sections = []
    for level, text in levels[start:]:
        if level == 2:
            break
        sections.append(text)
    assert sorted(sections) == sorted(alarms)
    for name in sections:
        section = OPERATING.section(name)
        assert re.findall(r"^- \*\*(.+?):\*\*", section, re.MULTILINE) == PARTS, name
        assert re.search(r"^ *catalog |`catalog |[Oo]n AWS only", section, re.MULTILINE), name


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
