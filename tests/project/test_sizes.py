"""Functions and test files stay small enough to read (CONTRIBUTING.md)."""

import ast
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MAX_FUNCTION_LINES = 70
MAX_TEST_FILE_LINES = 400


def sources() -> list[Path]:
    """Return the Python files that mypy checks: all of the project's own."""
    roots = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    return [
        path for root in roots for path in [*(PROJECT / root).rglob("*.py"), PROJECT / root] if path.is_file()
    ]


def test_functions_fit_on_a_screen() -> None:
    found = sources()
    assert len(found) > 100
    long = [
        f"{path.relative_to(PROJECT)}: {node.name}"
        for path in found
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_test_files_have_one_subject() -> None:
    long = [
        str(path.relative_to(PROJECT))
        for path in sources()
        if path.is_relative_to(PROJECT / "tests") and len(path.read_text().splitlines()) > MAX_TEST_FILE_LINES
    ]
    assert long == []
