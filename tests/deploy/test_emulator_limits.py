"""Whatever differs from AWS is told, with its reason."""

import ast
from pathlib import Path

from local.deploy.emulator_limits import CORRECTIONS, NOT_HELD, told
from local.deploy.prerequisites import EMULATOR_PROGRAM


def test_every_correction_is_told() -> None:
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
    limits = told("AWS provider 5.100.0 instead of 6.25.0")
    assert all(limit.part and limit.reason for limit in limits)
    assert len({limit.part for limit in limits}) == len(limits)
    assert len(limits) > len(CORRECTIONS) + len(NOT_HELD)


def test_tests_that_are_named_exist() -> None:
    root = Path(__file__).parents[2]
    for limit in NOT_HELD:
        for word in limit.reason.replace(",", " ").replace(";", " ").split():
            if word.startswith(("tests/", "local/")):
                assert (root / word).exists(), word
