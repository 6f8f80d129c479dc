"""A release has its version in one place, which its tag, the changelog and the documents agree with."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from lambda_packages.target import PROJECT
from tests.upgrades.release import releases

VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]


def refused(project: Path, tag: str) -> str:
    """Return why no release is built."""
    ended = subprocess.run(  # noqa: S603
        ["bash", str(project / "scripts" / "release.sh"), tag],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


@pytest.mark.parametrize("tag", ["v0.0.1", VERSION, "main"])
def test_a_tag_must_be_that_of_the_version(tag: str) -> None:
    assert refused(PROJECT, tag) == (f"TAG is '{tag}'; accepted: v{VERSION}, the version in pyproject.toml\n")


def test_a_release_needs_its_section_of_the_changelog(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "scripts/release.sh"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n- {VERSION}\n")
    assert refused(tmp_path, f"v{VERSION}") == f"CHANGELOG.md has no section ## {VERSION}\n"


def test_the_changelog_s_newest_section_is_of_the_version() -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d\d-\d\d", headings[1])


def test_what_it_leaves_behind_was_written() -> None:
    assert releases()[-1].folder.name == VERSION


@pytest.mark.parametrize("name", ["docs/shop.md", "docs/catalog.md"])
def test_documents_name_its_wheel(name: str) -> None:
    named = re.findall(r"product_catalog_pipeline-([\d.]+)-py3", (PROJECT / name).read_text())
    assert set(named) == {VERSION}
