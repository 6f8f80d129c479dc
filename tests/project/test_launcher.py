"""`.venv/bin/catalog` works from any folder, after a move, through a link, and completes commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import PROJECT

PACKAGES = ("benchmarks", "catalog", "costs", "local", "processor", "stacks")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project's folder, with white space in its name, after it was moved."""
    folder = tmp_path / "not here"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    (programs / "catalog").write_bytes((PROJECT / "scripts" / "catalog.sh").read_bytes())
    (programs / "catalog").chmod(0o755)
    for package in PACKAGES:
        (folder / package).symlink_to(PROJECT / package)
    return folder.rename(tmp_path / "it's my folder")


def run(
    program: Path, *arguments: str, folder: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [str(program), *arguments],
        cwd=folder,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_from_a_folder_that_has_another_catalog(project: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "__main__.py").write_text("raise SystemExit('another')")
    ended = run(project / ".venv" / "bin" / "catalog", "--help", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "Operate a product catalog pipeline" in ended.stdout


def test_it_runs_through_a_link(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "first").symlink_to(os.path.relpath(project / ".venv/bin/catalog", tmp_path / "bin"))
    (tmp_path / "bin" / "second").symlink_to(tmp_path / "bin" / "first")
    ended = run(tmp_path / "bin" / "second", "history", "--help", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_the_shell_completes_its_commands(project: Path, tmp_path: Path) -> None:
    asked = {"_CATALOG_COMPLETE": "complete_bash", "COMP_WORDS": "catalog prod", "COMP_CWORD": "1"}
    ended = run(project / ".venv" / "bin" / "catalog", folder=tmp_path, variables=asked)
    assert ended.stdout.split() == ["produce"], ended.stderr


def test_setup_installs_it() -> None:
    assert "cp scripts/catalog.sh .venv/bin/catalog" in (PROJECT / "scripts" / "setup.sh").read_text()
    assert os.access(PROJECT / "scripts" / "catalog.sh", os.X_OK)
