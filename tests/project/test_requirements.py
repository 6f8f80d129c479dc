"""The requirements in pyproject.toml: those of Pipfile, in ranges that hold the locked versions."""

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from lambda_packages.target import PROJECT

PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())
PIPFILE: dict[str, Any] = tomllib.loads((PROJECT / "Pipfile").read_text())
LOCK: dict[str, Any] = json.loads((PROJECT / "Pipfile.lock").read_text())
LOCKED: dict[str, Any] = LOCK["catalog"] | LOCK["default"]
BASE = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
OURS = PYPROJECT["project"]["name"]
EXTRAS = {
    name: [Requirement(line) for line in lines if not line.startswith(OURS)]
    for name, lines in PYPROJECT["project"]["optional-dependencies"].items()
}
IMPORTED = """
import sys
import processor.readers
print(*{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.parametrize(
    "requirement", [*BASE, *(each for extra in EXTRAS.values() for each in extra)], ids=str
)
def test_the_locked_version_satisfies_it(requirement: Requirement) -> None:
    assert requirement.name in PIPFILE["packages"] | PIPFILE["catalog"]
    assert requirement.specifier.contains(LOCKED[requirement.name]["version"].removeprefix("=="))


def test_base_and_lambda_are_what_the_function_ships() -> None:
    required = {each.name: each.extras for each in [*BASE, *EXTRAS["lambda"]]}
    # What has a marker is a dependency of a dependency, which a lock made with a newer Python would lack.
    shipped = {name: set(spec.get("extras", ())) for name, spec in specifications() if "markers" not in spec}
    assert required == shipped


def test_catalog_needs_what_lambda_does_and_its_own() -> None:
    assert f"{OURS}[lambda]" in PYPROJECT["project"]["optional-dependencies"]["catalog"]
    assert {each.name for each in EXTRAS["catalog"]} == set(PIPFILE["catalog"])


def specifications() -> list[tuple[str, dict[str, Any]]]:
    """Name and specification of what Pipfile's [packages] has."""
    return [
        (name, spec if isinstance(spec, dict) else {"version": spec})
        for name, spec in PIPFILE["packages"].items()
    ]


def test_importing_the_reader_imports_the_base_dependencies_only() -> None:
    finished = subprocess.run(  # noqa: S603
        [sys.executable, "-c", IMPORTED], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    distributions = {
        "aioboto3",
        "aiobotocore",
        "asyncpg",
        "aws_lambda_powertools",
        "botocore",
        "google",
        "redis",
    }
    assert distributions & set(finished.stdout.split()) == {each.name for each in BASE}
