"""`python -m reliability simulate`: the same histories for a seed, and nothing breaks."""

import os
import re
import subprocess
import sys

import pytest

LAST_LINE = re.compile(
    r"12 histories from seed 100, [0-9,]+ records, [0-9,]+ faults of [0-9]+ kinds, "
    r"longest recovery [0-9]+ s, 0 violations; trace ([0-9a-f]{16}), [0-9,]+ histories a minute"
)


def simulate(*arguments: str, hash_seed: str = "0") -> "subprocess.CompletedProcess[str]":
    """Run it in a process of its own."""
    command = [sys.executable, "-m", "reliability", "simulate", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)  # noqa: S603


def test_the_same_seed_gives_the_same_trace_in_other_processes() -> None:
    runs = [
        simulate("--seed", "100", "--histories", "12", "--jobs", jobs, hash_seed=hash_seed)
        for jobs, hash_seed in (("1", "1"), ("2", "2"))
    ]
    hashes = []
    for run in runs:
        last_line = run.stdout.splitlines()[-1]
        matched = LAST_LINE.fullmatch(last_line)
        assert run.returncode == 0, run.stdout + run.stderr
        assert matched is not None, last_line
        hashes.append(matched[1])
    assert hashes[0] == hashes[1]


KEPT = {
    "5729": "rows that take 4 s, many updates of a product",
    "20261209": "rows that take 4 s, a refused value first in a failed batch",
    "20261128": "the same in an aggregate",
}


@pytest.mark.parametrize("seed", KEPT, ids=KEPT.values())
def test_a_history_that_once_broke_an_invariant_breaks_none(seed: str) -> None:
    run = simulate("--seed", seed, "--histories", "1", "--jobs", "1")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("histories", ["many", "-1", "1.5", "0"])
def test_a_number_that_is_none_is_refused(histories: str) -> None:
    run = simulate("--histories", histories)
    assert run.returncode == 2
    assert "a whole number from 1 on is accepted" in run.stderr
