"""`make lint-workflows` finds mistakes that only a linter who knows GitHub's own names can find."""

import subprocess
from pathlib import Path

import pytest

from lambda_packages.target import PROJECT

WORKFLOWS = PROJECT / ".github" / "workflows"

pytestmark = pytest.mark.skipif(
    not (PROJECT / ".local" / "jactionlint" / "venv" / "bin" / "jactionlint").is_file(),
    reason="JACTIONLINT IS NOT INSTALLED, so it is not tested: make lint-workflows",
)


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        ["bash", "scripts/lint_workflows.sh", str(file)],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("workflow", "text", "mistake"),
    [
        ("ci", "python-version:", "python-versions:"),
        ("ci", "github.ref ", "github.reff "),
        ("deploy", "type: choice", "type: choices"),
        ("release", "attestations: write", "attestation: write"),
        ("deploy", "steps.save.outputs.sha256", "steps.save.output.sha256"),
    ],
)
def test_a_mistake_is_found(workflow: str, text: str, mistake: str, tmp_path: Path) -> None:
    file = tmp_path / f"{workflow}.yml"
    file.write_text((WORKFLOWS / file.name).read_text())
    run = lint(file)
    assert run.returncode == 0, run.stdout + run.stderr
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, mistake))
    run = lint(file)
    assert run.returncode == 1
    assert mistake.rstrip(": ").rpartition(".")[2].removeprefix("type: ") in run.stdout


def test_a_file_that_cannot_be_read_is_no_reason_to_skip(tmp_path: Path) -> None:
    run = lint(tmp_path / "none.yml")
    assert run.returncode == 1
    assert "none.yml" in run.stderr
