import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from terraform_cli import Terraform
from terraform_cli.synthesis import ROOT

pytestmark = pytest.mark.usefixtures("terraform")


def stack(folder: Path, **values: Any) -> Path:
    """Write a stack of resources that need no provider, as a synthesis would."""
    folder.mkdir(exist_ok=True)
    resources = {name: {"input": value} for name, value in values.items()}
    document = {"terraform": {"backend": {"local": {}}}, "resource": {"terraform_data": resources}}
    (folder / "cdk.tf.json").write_text(json.dumps(document))
    return folder


def deployed(folder: Path, terraform: Terraform) -> Path:
    for command in (["init"], ["apply", "-auto-approve"]):
        assert terraform.run(folder, *command, variables=os.environ).returncode == 0
    return folder


def plan(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Return the command's exit code and output."""
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "terraform_cli", "plan", *options, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout.splitlines()


def test_a_stack_as_it_was_deployed_ends_with_0(tmp_path: Path, terraform: Terraform) -> None:
    folder = deployed(stack(tmp_path / "dev-stack", one=1), terraform)
    assert plan(folder, "--drift") == (0, ["dev-stack: no changes"])
    code, output = plan(folder)
    assert code == 0
    assert any("No changes." in line for line in output)


def test_a_change_ends_with_2_and_is_named(tmp_path: Path, terraform: Terraform) -> None:
    folder = deployed(stack(tmp_path / "dev-stack", one=1, two=2), terraform)
    stack(folder, one=7, three=3)
    assert plan(folder, "--drift") == (
        2,
        [
            "dev-stack: terraform_data.one: update",
            "dev-stack: terraform_data.three: create",
            "dev-stack: terraform_data.two: delete",
        ],
    )
    code, output = plan(folder)
    assert code == 2
    assert any("Plan: 1 to add, 1 to change, 1 to destroy." in line for line in output)


def test_a_stack_without_a_plan_ends_with_1(tmp_path: Path) -> None:
    folder = stack(tmp_path / "dev-stack", one="${nothing.here}")
    code, output = plan(folder, "--drift")
    assert code == 1
    assert any("Reference to undeclared resource" in line for line in output)


def test_a_drift_check_runs_beside_a_deploy_and_a_diff_waits_for_it(
    tmp_path: Path, terraform: Terraform
) -> None:
    folder = deployed(stack(tmp_path / "dev-stack", one=1), terraform)
    (folder / "cdk.tf.json").write_text(
        (folder / "cdk.tf.json").read_text().replace('"input": 1', '"input": 2')
    )
    with (folder / "terraform.tfstate").open("r+") as state:
        fcntl.lockf(state, fcntl.LOCK_EX)
        assert plan(folder, "--drift")[0] == 2
        assert plan(folder)[0] == 1
