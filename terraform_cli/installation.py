"""Finds the terraform binary and runs it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from terraform_cli.errors import TerraformError

OLDEST = (1, 11)
"""The first Terraform that knows write-only arguments, which keep passwords out of the state."""

_ADVICE = (
    f"Install Terraform {OLDEST[0]}.{OLDEST[1]} or newer (https://developer.hashicorp.com/terraform/install) "
    "and put it on the PATH, or name it: TERRAFORM_BINARY_NAME=/path/to/terraform"
)
# Arguments, workspaces and folders of somebody's own would mix up stacks that run side by side.
_DISTURBING = re.compile(r"TF_CLI_ARGS.*|TF_WORKSPACE|TF_DATA_DIR|TF_LOG.*")


@dataclass(frozen=True, kw_only=True)
class Terraform:
    """A binary that works; `platform` as mirrors name it, such as `linux_amd64`."""

    path: str
    version: str
    platform: str

    def run(
        self, directory: Path, *arguments: str, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder without asking or colouring; returns its code and its output as one text.

        `variables`: the whole environment; settings that would change what the command does are left out.
        """
        kept = {name: value for name, value in variables.items() if not _DISTURBING.fullmatch(name)}
        configuration = kept.get("TF_CLI_CONFIG_FILE")
        if configuration and not Path(configuration).exists():
            # It would be warned of at every command.
            kept["TF_CLI_CONFIG_FILE"] = os.devnull
        return subprocess.run(  # noqa: S603
            [self.path, *arguments],
            cwd=directory,
            env=kept | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def find_terraform(variables: Mapping[str, str]) -> Terraform:
    """Return the binary that `TERRAFORM_BINARY_NAME` names, which cdktf honours too, else `terraform`.

    Raises: TerraformError.
    """
    name = variables.get("TERRAFORM_BINARY_NAME") or "terraform"
    path = shutil.which(name, path=variables.get("PATH", ""))
    if path is None:
        raise TerraformError(f"{name} is not on the PATH. {_ADVICE}")
    # Apart from `run`: a warning about the configuration, on the standard error, is no part of the answer.
    answer = subprocess.run(  # noqa: S603
        [path, "version", "-json"],
        env={**variables, "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return read_version(path, answer.stdout, answer.stderr)


def read_version(path: str, answer: str, complaint: str = "") -> Terraform:
    """Return the binary at `path` by what `terraform version -json` answered.

    Raises: TerraformError if the answer is none, or tells of a version that is too old.
    """
    try:
        told = json.loads(answer)
        terraform = Terraform(path=path, version=told["terraform_version"], platform=told["platform"])
        numbers = tuple(int(part) for part in terraform.version.split(".")[:2])
    except (ValueError, KeyError, TypeError) as error:
        said = complaint.strip() or answer.strip() or "nothing"
        raise TerraformError(f"{path} does not tell its version; it says: {said}\n{_ADVICE}") from error
    if numbers < OLDEST:
        raise TerraformError(f"{path} is Terraform {terraform.version}. {_ADVICE}")
    return terraform
