"""The regression gate: what it compares with, and that it fails."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.gate import MARGIN, RESULTS, committed_ratios, regressions
from tests.support.documents import PROJECT


def test_a_ratio_within_the_margin_passes() -> None:
    assert regressions({1_000: 2.0 * (1 + MARGIN)}, {1_000: 2.0}) == []
    assert regressions({1_000: 1.0}, {1_000: 2.0}) == []


def test_a_ratio_above_the_margin_fails_and_says_which() -> None:
    (line,) = regressions({1_000: 2.0, 10_000: 2.0 * (1 + MARGIN) + 0.1}, {1_000: 2.0, 10_000: 2.0})
    assert line.startswith("batches of 10000: our CPU time is 2.50 of bulk's; at most 2.40 is accepted")


def test_the_committed_results_have_what_it_compares_with() -> None:
    assert committed_ratios(json.loads(RESULTS.read_text())).keys() == {1_000, 10_000}


def test_the_command_fails_where_the_processor_was_faster(tmp_path: Path) -> None:
    results = json.loads(RESULTS.read_text())
    for peer in results["peers"]:
        peer["cpu_over_bulk"]["median"] = 0.1
    faster = tmp_path / "results.json"
    faster.write_text(json.dumps(results))
    command = [sys.executable, "-m", "benchmarks.gate", "--results", str(faster), "--rounds", "1"]
    gate = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert gate.returncode == 1
    assert "at most 0.12 is accepted" in gate.stderr
