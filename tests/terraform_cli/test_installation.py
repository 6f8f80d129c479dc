import json
import subprocess
import sys
from pathlib import Path

import pytest

from terraform_cli import Terraform, TerraformError, find_terraform
from terraform_cli.installation import read_version
from terraform_cli.synthesis import ROOT


def answer(version: str) -> str:
    return json.dumps({"terraform_version": version, "platform": "darwin_arm64", "provider_selections": {}})


@pytest.mark.parametrize("version", ["1.11.0", "1.11.4", "1.12.0-beta1", "2.0.0"])
def test_a_new_enough_version_is_taken(version: str) -> None:
    expected = Terraform(path="terraform", version=version, platform="darwin_arm64")
    assert read_version("terraform", answer(version)) == expected


@pytest.mark.parametrize("version", ["1.10.5", "0.15.0", "1.9.11"])
def test_an_old_version_is_refused_with_what_to_install(version: str) -> None:
    with pytest.raises(TerraformError, match=rf"^terraform is Terraform {version}\. Install Terraform 1\.11"):
        read_version("terraform", answer(version))


@pytest.mark.parametrize("nonsense", ["", "Terraform v1.11.4", "[]", '{"terraform_version": "new"}', "{}"])
def test_an_answer_that_is_none_is_refused_with_what_was_said(nonsense: str) -> None:
    with pytest.raises(TerraformError, match=r"does not tell its version; it says: exec format error"):
        read_version("terraform", nonsense, "exec format error\n")


def test_a_binary_of_another_name_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(TerraformError, match=r"^terraform-1\.11 is not on the PATH\."):
        find_terraform({"PATH": str(tmp_path), "TERRAFORM_BINARY_NAME": "terraform-1.11"})


def test_the_machines_terraform_tells_its_version_whatever_it_warns_of(
    terraform: Terraform, variables: dict[str, str]
) -> None:
    warned = {**variables, "TF_CLI_CONFIG_FILE": "/absent/terraform.rc"}
    assert find_terraform(warned).version == terraform.version


def test_without_terraform_validation_says_what_to_install_and_ends_with_a_code_of_its_own() -> None:
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
