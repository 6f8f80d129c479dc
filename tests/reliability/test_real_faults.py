"""Histories on real servers: nothing breaks, every fault is known, and a defect in the processor is found."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from reliability.defects.defect import ANY
from reliability.defects.deliberate import DEFECTS
from reliability.defects.trial import copy_tree
from reliability.history import FAULTS, ONLY_REAL, ONLY_SIMULATED, REAL_FAULTS
from reliability.real.faults import kinds_without_code
from reliability.runs import REAL

LAST_LINE = re.compile(
    r"2 histories from seed 31, 14 records, [0-9]+ faults of [0-9]+ kinds, longest recovery [0-9]+ s, "
    r"0 violations; trace ([0-9a-f]{16}), [0-9]+ histories a minute"
)
LEAST_KINDS = 40


def run(*arguments: str, directory: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if directory is not None:
        environment["PYTHONPATH"] = str(directory)
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_every_kind_of_fault_is_known_to_the_world() -> None:
    assert len(REAL_FAULTS) >= LEAST_KINDS
    assert kinds_without_code() == []


def test_what_only_one_world_can_do_is_said_once() -> None:
    assert not FAULTS.keys() & ONLY_REAL.keys()
    assert FAULTS.keys() >= ONLY_SIMULATED


def test_histories_on_servers_that_fail_break_nothing() -> None:
    ran = run("reliability", "faults", "--seed", "31", "--histories", "2", "--jobs", "1")
    last_line = ran.stdout.splitlines()[-1]
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert LAST_LINE.fullmatch(last_line), last_line


def test_a_defect_breaks_an_invariant_on_real_servers(tmp_path: Path) -> None:
    (defect,) = [one for one in DEFECTS if one.name == "no invalidation"]
    tree = copy_tree(tmp_path)
    (tree / defect.file).write_text(defect.made_in(tree))
    ran = run("reliability.defects.simulation", "1", "3", ANY, REAL, directory=tree)
    assert ran.returncode == 0, ran.stderr
    histories, how = json.loads(ran.stdout)
    assert histories, how
