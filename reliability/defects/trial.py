"""A trial of defects: each is put into a copy of the tree, and what should catch it runs there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reliability.defects.defect import ANY, Defect, Simulation, Suite

ROOT = Path(__file__).parents[2]
# What the suites do not need, or must not share with the tree.
_NOT_COPIED = shutil.ignore_patterns(
    ".*", "__pycache__", "node_modules", "cdktf.out", "dist", "benchmarks", "*.log"
)
_TIMEOUT_SECONDS = 900.0
_PASSED, _FAILED = 0, 1  # pytest's exit codes
_PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb", "line")


class TrialError(Exception):
    """A suite fails without a defect, or cannot be run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a defect; `how`: how it was caught."""

    defect: Defect
    is_caught: bool
    how: str

    def __str__(self) -> str:
        one = self.defect
        caught = f"caught    {one.breaks:8} by {one.suite:8}" if self.is_caught else "SURVIVED "
        return f"{caught} {one.name} ({self.how})"


def copy_tree(directory: Path, root: Path = ROOT) -> Path:
    """Copy the project into a directory, without what is built or installed; return the copy."""
    return Path(shutil.copytree(root, directory / "tree", ignore=_NOT_COPIED))


def try_all(defects: Sequence[Defect], tree: Path) -> Iterator[Verdict]:
    """Yield the verdict on each defect.

    Raises: ValueError: a defect's text is not there once. TrialError: something fails without a defect.
    """
    made = [(each, each.made_in(tree)) for each in defects]
    _check_right(defects, tree)
    for each, wrong in made:
        path = tree / each.file
        right = path.read_text()
        path.write_text(wrong)
        try:
            yield Verdict(each, *_caught(each.caught_by, each.breaks, tree))
        except TrialError as error:
            yield Verdict(each, is_caught=False, how=str(error))
        finally:
            path.write_text(right)


def _check_right(defects: Sequence[Defect], tree: Path) -> None:
    """Check that nothing is caught where nothing is wrong. Raises: TrialError."""
    tests = {each.caught_by for each in defects if isinstance(each.caught_by, str)}
    if tests and _fail(sorted(tests), tree):
        raise TrialError("a test fails without a defect: make test tells which")
    most: dict[int, int] = {}
    for each in defects:
        if isinstance(each.caught_by, Simulation):
            seed, histories = each.caught_by
            most[seed] = max(histories, most.get(seed, 0))
    for seed, histories in most.items():
        is_caught, how = _caught(Simulation(seed, histories), ANY, tree)
        if is_caught:
            raise TrialError(f"a history breaks an invariant without a defect: {how}")


def _caught(suite: Suite, breaks: str, tree: Path) -> tuple[bool, str]:
    if isinstance(suite, str):
        return _fail([suite], tree), suite
    seed, histories = suite
    ran = _run(["-m", "reliability.defects.simulation", str(seed), str(histories), breaks], tree)
    if ran.returncode:
        raise TrialError(f"the simulation ends with an error:\n{ran.stderr[-2000:]}")
    count, how = json.loads(ran.stdout)
    return bool(count), f"after {count} histories: {how}" if count else f"{histories} histories, seed {seed}"


def _fail(tests: Sequence[str], tree: Path) -> bool:
    """Return whether one of the tests fails. Raises: TrialError."""
    ran = _run([*_PYTEST, *tests], tree)
    if ran.returncode not in (_PASSED, _FAILED):
        raise TrialError(f"pytest cannot run {', '.join(tests)}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.returncode == _FAILED


def _run(arguments: Sequence[str], tree: Path) -> "subprocess.CompletedProcess[str]":
    # A file changes twice within a second, which its compiled code would not show.
    variables = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(  # noqa: S603 our own commands
            command, cwd=tree, env=variables, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise TrialError(f"{' '.join(arguments)} is not done after {_TIMEOUT_SECONDS:.0f} s") from error
