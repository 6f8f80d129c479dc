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

OLDEST_VERSION = (1, 11)
"""The first Terraform with write-only arguments, which keep passwords out of the state."""

_ADVICE = (
    f"Install Terraform {'.'.join(map(str, OLDEST_VERSION))} or newer "
    "(https://developer.hashicorp.com/terraform/install) and put it on the PATH, or name it: "
    "TERRAFORM_BINARY_NAME=/path/to/terraform"
)
# A person's own arguments, workspace and folders would interfere with stacks that are checked concurrently.
_IGNORED_VARIABLES = re.compile(r"TF_CLI_ARGS.*|TF_WORKSPACE|TF_DATA_DIR|TF_LOG.*")


@dataclass(frozen=True, kw_only=True)
class Terraform:
    """A working binary; `platform` is named as in mirrors, such as `linux_amd64`."""

    path: str
    version: str
    platform: str

    def run(
        self, directory: Path, *arguments: str, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder without prompts or colours; standard error is in the result's `stdout`.

        `variables`: all environment variables; those that would change what the command does are ignored.
        """
        kept = {name: value for name, value in variables.items() if not _IGNORED_VARIABLES.fullmatch(name)}
        configuration = kept.get("TF_CLI_CONFIG_FILE")
        if configuration and not Path(configuration).exists():
            # Every command would print a warning.
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
    """Return the binary that `TERRAFORM_BINARY_NAME` names, as cdktf does, else `terraform`.

    Raises: TerraformError.
    """
    name = variables.get("TERRAFORM_BINARY_NAME") or "terraform"
    path = shutil.which(name, path=variables.get("PATH", ""))
    if path is None:
        missing = "terraform is not on the PATH"
        if name != "terraform":
            missing = f"TERRAFORM_BINARY_NAME is {name!r}, which is not an executable file"
        raise TerraformError(f"{missing}. {_ADVICE}")
    # Not with `run`: a warning about the configuration, on standard error, is not part of the JSON.
    run = subprocess.run(  # noqa: S603
        [path, "version", "-json"],
        env={**variables, "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return read_version(path, run.stdout, run.stderr)


def read_version(path: str, output: str, errors: str = "") -> Terraform:
    """Return the binary at `path`, given the output of `terraform version -json`.

    Raises: TerraformError if the output has no version, or one that is too old.
    """
    try:
        versions = json.loads(output)
        terraform = Terraform(path=path, version=versions["terraform_version"], platform=versions["platform"])
        numbers = tuple(int(part) for part in terraform.version.split(".")[:2])
    except (ValueError, KeyError, TypeError) as error:
        printed = errors.strip() or output.strip() or "nothing"
        raise TerraformError(f"{path} reports no version; it printed: {printed}\n{_ADVICE}") from error
    if numbers < OLDEST_VERSION:
        raise TerraformError(f"{path} is Terraform {terraform.version}. {_ADVICE}")
    return terraform
