import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from terraform_cli import Terraform
from terraform_cli.synthesis import ROOT
from terraform_cli.validation import validate

VALID = {"resource": {"terraform_data": {"one": {"input": 1}}}}
BROKEN = {"resource": {"terraform_data": {"one": {"inputt": 1}}}}
BACKEND = {"bucket": "states", "key": "dev.tfstate", "region": "us-east-1", "encrypt": True}


def stack(folder: Path, document: dict[str, Any]) -> Path:
    """Write a stack that needs no provider, as a synthesis would; returns its folder."""
    folder.mkdir()
    (folder / "cdk.tf.json").write_text(json.dumps(document, indent=2))
    return folder


def run(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "terraform_cli", "validate", *map(str, folders)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("terraform")
def test_one_broken_stack_fails_the_run_with_terraforms_own_words(tmp_path: Path) -> None:
    ended = run(stack(tmp_path / "good-stack", VALID), stack(tmp_path / "bad-stack", BROKEN))
    assert ended.returncode == 1
    good, bad, *output = ended.stdout.splitlines()
    assert good.startswith("good-stack           valid (")
    assert bad.startswith("bad-stack            NOT VALID (")
    assert "Error: Extraneous JSON object property" in output
    assert 'No argument or block type is named "inputt". Did you mean "input"?' in output
    assert ended.stderr == ""


@pytest.mark.usefixtures("terraform")
def test_valid_stacks_end_well(tmp_path: Path) -> None:
    ended = run(stack(tmp_path / "dev-stack", VALID), stack(tmp_path / "prod-stack", VALID))
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 2)


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        ({"s3": BACKEND | {"use_lockfile": True}}, None),
        ({"s3": BACKEND | {"use_lockfil": True}}, 'Did you mean\n"use_lockfile"?'),
        ({"s3": {**BACKEND, "bucket": None}}, "bucket"),
        ({"local": {"path": "x.tfstate"}}, None),
    ],
)
def test_a_backends_block_is_read_although_no_state_is(
    backend: dict[str, Any], complaint: str | None, terraform: Terraform, tmp_path: Path
) -> None:
    folder = stack(tmp_path / "prod-stack", {**VALID, "terraform": {"backend": backend}})
    # Credentials lead to no account: with these, Terraform would ask for the state.
    variables = {**os.environ, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    result = validate(folder, terraform, variables)
    assert result.is_valid == (complaint is None), result.output
    assert (complaint or "") in result.output


def test_warnings_are_shown_and_do_not_count(terraform: Terraform, tmp_path: Path) -> None:
    ignoring = {"input": 1, "lifecycle": {"ignore_changes": ["id"]}}
    folder = stack(tmp_path / "dev-stack", {"resource": {"terraform_data": {"one": ignoring}}})
    result = validate(folder, terraform, os.environ)
    assert (result.is_valid, result.warnings) == (True, 1)
    assert result.line().startswith("dev-stack            valid, 1 warning (")
    assert "Warning: Redundant ignore_changes element" in result.output
