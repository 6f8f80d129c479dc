"""docs/performance.md and its plots are what the committed results make, and the dollars add up."""

import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks.dollars import dollars
from benchmarks.goals import GOALS
from benchmarks.report import DOCUMENT, PLOTS, RESULTS, rewritten
from costs.prices import read_prices

RESULT = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def test_the_document_has_the_committed_results() -> None:
    document = DOCUMENT.read_text()
    assert rewritten(document, RESULT) == document
    assert f"| `first_batch` | {GOALS['first_batch'].meaning} |" in document


@pytest.mark.skipif(
    not importlib.util.find_spec("pygal"), reason="pygal is not there: make bench installs it"
)
def test_the_plots_are_of_the_committed_results(tmp_path: Path) -> None:
    from benchmarks.plots import draw

    draw(RESULT, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in PLOTS.iterdir()}
    for name in names:
        assert (tmp_path / name).read_text() == (PLOTS / name).read_text()


def test_each_ratio_has_a_goal() -> None:
    assert RESULT["ratios"].keys() <= GOALS.keys()


def test_dollars_of_a_million_updates() -> None:
    """Ours at 1,769 MB is one vCPU: 1,000 batches of 0.1 s are 100 s."""
    peer = {
        "mode": "region",
        "feed": "week",
        "engine": "ours",
        "size": 1_000,
        "wall_ms": 100.0,
        "cpu_ms": 20.0,
    }
    by_memory = {row["memory_mb"]: row for row in dollars([peer])}
    gb_second = read_prices().of("lambda", "arm64 GB-second").dollars or 0.0
    assert by_memory[1_769]["lambda"] == pytest.approx(100 * 1_769 / 1024 * gb_second + 0.0002, abs=1e-4)
    # With half of a vCPU the CPU time doubles, and the waits do not.
    assert by_memory[512]["lambda"] == pytest.approx(
        (80 + 20 * 1_769 / 512) / 2 * gb_second + 0.0002, abs=1e-4
    )
    assert by_memory[512]["s3"] == pytest.approx(0.005)
