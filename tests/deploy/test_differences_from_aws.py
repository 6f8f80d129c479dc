"""Every difference from AWS is listed with its reason."""

import ast
from pathlib import Path

from local.deploy.differences_from_aws import CORRECTIONS, NOT_CHECKED, all_differences
from local.deploy.prerequisites import EMULATOR_PROGRAM


def test_every_correction_is_listed() -> None:
    tree = ast.parse(EMULATOR_PROGRAM.read_text())
    (made,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "CORRECTIONS"
    ]
    assert isinstance(made, ast.Tuple)
    assert [name.id for name in made.elts if isinstance(name, ast.Name)] == list(CORRECTIONS)


def test_every_difference_has_a_reason() -> None:
    differences = all_differences("AWS provider 5.100.0 instead of 6.25.0")
    assert all(difference.part and difference.reason for difference in differences)
    assert len({difference.part for difference in differences}) == len(differences)
    assert len(differences) > len(CORRECTIONS) + len(NOT_CHECKED)


def test_tests_that_are_named_exist() -> None:
    root = Path(__file__).parents[2]
    for difference in NOT_CHECKED:
        for word in difference.reason.replace(",", " ").replace(";", " ").split():
            if word.startswith(("tests/", "local/")):
                assert (root / word).exists(), word
