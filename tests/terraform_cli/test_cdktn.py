"""What `make cdktn` renames, and which differences it lets pass."""

import ast
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from terraform_cli.cdktn import differences, renamed
from terraform_cli.synthesis import ROOT

SOURCES = [ROOT / "main.py", *(ROOT / "stacks").rglob("*.py")]
STACK = Path("dev-stack/cdk.tf.json")
ASSET = Path("dev-stack/assets/code.zip")


def imported(source: str) -> set[str]:
    """Return the packages that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_every_import_of_cdktf_is_renamed() -> None:
    before = set().union(*(imported(path.read_text()) for path in SOURCES))
    after = set().union(*(imported(renamed(path.read_text())) for path in SOURCES))
    assert before - after == {"cdktf", "cdktf_cdktf_provider_aws"}
    assert after - before == {"cdktn", "cdktn_provider_aws"}


def stack(library: str, source: str) -> dict[str, Any]:
    return {
        "//": {"metadata": {"backend": "s3", "version": library}},
        "resource": {"aws_sqs_queue": {"Queue": {"name": "queue-dev", "tags": []}}},
        "terraform": {"required_providers": {"aws": {"source": source, "version": "6.25.0"}}},
    }


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of the same stack by cdktf and by cdktn, as different as they may be."""
    ours, theirs = tmp_path / "cdktf", tmp_path / "cdktn"
    for folder in (ours, theirs):
        (folder / ASSET).parent.mkdir(parents=True)
        (folder / ASSET).write_bytes(b"code")
    (ours / STACK).write_text(json.dumps(stack(version("cdktf"), "aws"), indent=2))
    (theirs / STACK).write_text(json.dumps(stack("0.24.0", "hashicorp/aws")))
    return ours, theirs


def test_version_source_and_layout_may_differ(folders: tuple[Path, Path]) -> None:
    assert not list(differences(*folders))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda each: each["resource"]["aws_sqs_queue"]["Queue"].update(name="queue-2"), '"name": "queue-2"'),
        (lambda each: each["resource"]["aws_sqs_queue"]["Queue"].update(delay=0), '"delay": 0'),
        (lambda each: each["resource"].pop("aws_sqs_queue"), '"name": "queue-dev"'),
        (lambda each: each["//"]["metadata"].update(backend="local"), '"backend": "local"'),
        (
            lambda each: each["terraform"]["required_providers"]["aws"].update(source="opentofu/aws"),
            '"source": "opentofu/aws"',
        ),
    ],
)
def test_any_other_difference_is_shown(
    folders: tuple[Path, Path], change: Callable[[dict[str, Any]], None], line: str
) -> None:
    ours, theirs = folders
    changed = json.loads((theirs / STACK).read_text())
    change(changed)
    (theirs / STACK).write_text(json.dumps(changed))
    found = "\n".join(differences(ours, theirs))
    assert str(STACK) in found
    assert line in found


def test_a_file_that_differs_or_is_missing_is_named(folders: tuple[Path, Path]) -> None:
    ours, theirs = folders
    (theirs / ASSET).write_bytes(b"other")
    assert list(differences(ours, theirs)) == [f"{ASSET}: differs"]
    (theirs / ASSET).unlink()
    assert list(differences(ours, theirs)) == [f"{ASSET}: only in {ours}"]
    (ours / ASSET).rename(theirs / ASSET)
    assert list(differences(ours, theirs)) == [f"{ASSET}: only in {theirs}"]
