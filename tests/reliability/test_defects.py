"""Deliberate defects: what is caught and what survives, and that all of them still apply."""

from dataclasses import replace
from pathlib import Path

import pytest

from reliability.__main__ import main
from reliability.defects.defect import Defect, Simulation
from reliability.defects.deliberate import DEFECTS
from reliability.defects.trial import ROOT, TrialError, copy_tree, try_all

DOUBLE = Defect(
    name="three times, not twice",
    file="double.py",
    old="2 * number",
    new="3 * number",
    breaks="I1",
    caught_by="test_double.py::test_double",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Small tree: a module, its test, and tests that are of no use."""
    (tmp_path / "double.py").write_text("def double(number):\n    return 2 * number\n")
    (tmp_path / "test_double.py").write_text(
        "from double import double\n\n\n"
        "def test_double():\n    assert double(4) == 8\n\n\n"
        "def test_nothing():\n    assert double\n\n\n"
        "def test_wrong():\n    assert double(4) == 9\n"
    )
    return tmp_path


def test_a_defect_that_a_test_notices_is_caught_and_taken_back(tree: Path) -> None:
    (verdict,) = try_all([DOUBLE], tree)
    assert str(verdict) == (
        "caught    I1       by database three times, not twice (test_double.py::test_double)"
    )
    assert "2 * number" in (tree / "double.py").read_text()


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(replace(DOUBLE, new="2 * (number)"), id="changes nothing"),
        pytest.param(replace(DOUBLE, caught_by="test_double.py::test_nothing"), id="is not looked for"),
    ],
)
def test_a_defect_that_nothing_notices_survives(tree: Path, defect: Defect) -> None:
    (verdict,) = try_all([defect], tree)
    assert str(verdict).startswith("SURVIVED  three times, not twice")


@pytest.mark.parametrize("old", ["4 * number", "number"])
def test_a_defect_whose_text_is_not_there_once_is_named(tree: Path, old: str) -> None:
    with pytest.raises(ValueError, match=r"three times, not twice: double\.py has its old text"):
        list(try_all([replace(DOUBLE, old=old)], tree))


def test_a_defect_that_is_no_python_is_named(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"three times, not twice: double\.py is no Python any more"):
        list(try_all([replace(DOUBLE, new="2 *")], tree))


@pytest.mark.parametrize("test", ["test_wrong", "test_that_is_not_there"])
def test_a_test_that_does_not_pass_without_the_defect_catches_nothing(tree: Path, test: str) -> None:
    with pytest.raises(TrialError):
        list(try_all([replace(DOUBLE, caught_by=f"test_double.py::{test}")], tree))


def test_drawn_histories_catch_a_defect_and_let_another_survive(tmp_path: Path) -> None:
    caught = next(each for each in DEFECTS if each.name == "every batch acknowledged")
    few = Simulation(seed=1, histories=20)
    harmless = replace(caught, name="harmless", new="if report.first_unfinished is  None:")
    verdicts = list(
        try_all([replace(caught, caught_by=few), replace(harmless, caught_by=few)], copy_tree(tmp_path))
    )
    assert [verdict.is_caught for verdict in verdicts] == [True, False]
    assert "was acknowledged" in verdicts[0].how


def test_a_name_that_no_defect_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["defects", "--only", "a name that none has"]) == 2
    assert "'a name that none has'" in capsys.readouterr().err


def test_every_defect_has_its_own_name() -> None:
    assert len({each.name for each in DEFECTS}) == len(DEFECTS) >= 60


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.name)
def test_every_defect_applies(defect: Defect) -> None:
    assert defect.made_in(ROOT) != (ROOT / defect.file).read_text()
    assert defect.breaks in {"I1", "I2", "I3", "I4", "I5", "I6", "progress"}
    if isinstance(defect.caught_by, str):
        file, _, test = defect.caught_by.partition("::")
        assert f"def {test}" in (ROOT / file).read_text()
