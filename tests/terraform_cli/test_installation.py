import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.config.environments import ENVIRONMENTS as OWN
from terraform_cli import Terraform, TerraformError, find_terraform
from terraform_cli.installation import read_version
from terraform_cli.synthesis import ROOT

DEV_STACK = OWN[0].stack_id
STACK_IDS = ", ".join(each.stack_id for each in OWN)


def version_output(version: str) -> str:
    return json.dumps({"terraform_version": version, "platform": "darwin_arm64", "provider_selections": {}})


@pytest.mark.parametrize("version", ["1.11.0", "1.11.4", "1.12.0-beta1", "2.0.0"])
def test_a_new_enough_version_is_taken(version: str) -> None:
    expected = Terraform(path="terraform", version=version, platform="darwin_arm64")
    assert read_version("terraform", version_output(version)) == expected


@pytest.mark.parametrize("version", ["1.10.5", "0.15.0", "1.9.11"])
def test_an_old_version_is_refused_with_what_to_install(version: str) -> None:
    with pytest.raises(TerraformError, match=rf"^terraform is Terraform {version}\. Install Terraform 1\.11"):
        read_version("terraform", version_output(version))


@pytest.mark.parametrize("nonsense", ["", "Terraform v1.11.4", "[]", '{"terraform_version": "new"}', "{}"])
def test_output_without_a_version_is_refused_and_shown(nonsense: str) -> None:
    with pytest.raises(TerraformError, match=r"reports no version; it printed: exec format error"):
        read_version("terraform", nonsense, "exec format error\n")


def test_a_binary_of_another_name_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        TerraformError,
        match=r"^TERRAFORM_BINARY_NAME is 'terraform-1\.11', which is not an executable file\.",
    ):
        find_terraform({"PATH": str(tmp_path), "TERRAFORM_BINARY_NAME": "terraform-1.11"})


def test_a_warning_does_not_hide_the_version(terraform: Terraform, variables: dict[str, str]) -> None:
    warned = {**variables, "TF_CLI_CONFIG_FILE": "/absent/terraform.rc"}
    assert find_terraform(warned).version == terraform.version


def test_without_terraform_validate_says_what_to_install_and_exits_with_3() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "terraform_cli", "validate"],
        cwd=ROOT,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert run.stdout.startswith(
        "Nothing was validated. terraform is not on the PATH. Install Terraform 1.11"
    )
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("stack", "variables", "line"),
    [
        (
            "nope",
            {},
            f"STACK is 'nope'; accepted: {STACK_IDS}, "
            "and with ENVIRONMENT_SUFFIX the stack of a throwaway environment",
        ),
        ("", {}, f"STACK is ''; accepted: {STACK_IDS}, "),
        (DEV_STACK, {"PATH": ""}, "terraform is not on the PATH. Install Terraform 1.11"),
        ("pr-7-stack", {"PATH": "", "ENVIRONMENT_SUFFIX": "pr-7"}, "terraform is not on the PATH."),
        (DEV_STACK, {"ENVIRONMENT_SUFFIX": "No!"}, "ENVIRONMENT_SUFFIX is 'No!'"),
    ],
)
def test_before_anything_is_built_one_line_says_what_is_missing(
    stack: str, variables: dict[str, str], line: str
) -> None:
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "terraform_cli", "ready", stack],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout.startswith(line), run.stderr) == (1, True, "")
