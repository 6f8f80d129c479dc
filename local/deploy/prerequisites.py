"""Find or install what a deployment needs on this machine; one message says what is missing."""

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambda_packages import DIST
from local.deploy import subprocesses
from local.deploy.environment_variables import machine_variables
from local.deploy.errors import DeployError, PrerequisiteError
from local.emulated_aws.function_service import PROJECT
from terraform_cli import Provider, TerraformError, choose_provider, find_terraform

EMULATOR_PROGRAM = Path(__file__).with_name("emulator_corrections.py")
EMULATOR_PYTHON = PROJECT / ".local" / "emulator" / "venv" / "bin" / "python"
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
_CANNOT_INSTALL = 3
_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found: `variables` from `machine_variables`; `architecture` as Lambda calls it."""

    variables: Mapping[str, str]
    architecture: str
    provider: Provider
    description: str

    @property
    def code(self) -> Path:
        """The built archive of the code."""
        return DIST / "code.zip"

    @property
    def layer(self) -> Path:
        """The built archive of the layer for this machine."""
        return DIST / f"layer-{self.architecture}.zip"


def find_architecture(system: str, processor: str) -> str:
    """Return Lambda's name for a processor's architecture. Raises: PrerequisiteError."""
    if system != "linux":
        raise PrerequisiteError(
            f"the layer is built for Linux and runs only there; this machine runs {system}"
        )
    if processor not in _ARCHITECTURES:
        raise PrerequisiteError(f"Lambda does not support {processor}; accepted: {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[processor]


def find_machine(variables: Mapping[str, str]) -> Machine:
    """Return what this machine has. Fetching the provider may take minutes. Raises: PrerequisiteError."""
    architecture = find_architecture(sys.platform, platform.machine())
    try:
        terraform = find_terraform(variables)
        provider = choose_provider(terraform, machine_variables(variables))
    except TerraformError as error:
        raise PrerequisiteError(str(error)) from error
    return Machine(
        variables=machine_variables(variables),
        architecture=architecture,
        provider=provider,
        description=f"Terraform {terraform.version}, {provider.description}",
    )


async def install_emulator(machine: Machine, log_path: Path) -> None:
    """Install it into a separate virtual environment if needed. Raises: PrerequisiteError, DeployError."""
    code = await _run(["bash", "scripts/emulator.sh"], machine, log_path)
    if code == _CANNOT_INSTALL:
        raise PrerequisiteError(
            f"the emulator cannot be installed:\n{subprocesses.last_lines(log_path, _LAST_LINES)}"
        )
    if code:
        raise DeployError(
            f"installing the emulator failed:\n{subprocesses.last_lines(log_path, _LAST_LINES)}"
        )


async def install_cdktf(machine: Machine, log_path: Path) -> None:
    """Install the CLI that package-lock.json pins if needed. Raises: PrerequisiteError, DeployError."""
    if await _run(["bash", "scripts/node_modules.sh"], machine, log_path):
        log_end = subprocesses.last_lines(log_path, _LAST_LINES)
        if "EINTEGRITY" in log_end:
            raise DeployError(f"npm got other packages than package-lock.json pins:\n{log_end}")
        raise PrerequisiteError(f"cdktf cannot be installed:\n{log_end}")


async def build_deployment_packages(machine: Machine, log_path: Path) -> None:
    """Build the deployment packages if needed. Raises: PrerequisiteError, DeployError."""
    words = ["-m", "lambda_packages", "--architecture", machine.architecture]
    if await _run([sys.executable, *words], machine, log_path):
        log_end = subprocesses.last_lines(log_path, _LAST_LINES)
        if "cannot reach the package index" in log_end:
            raise PrerequisiteError(f"the layer cannot be built:\n{log_end}")
        raise DeployError(f"building the deployment packages failed:\n{log_end}")


async def _run(words: list[str], machine: Machine, log_path: Path) -> int:
    path = os.pathsep.join((str(Path(sys.executable).parent), machine.variables.get("PATH", os.defpath)))
    return await subprocesses.run(
        words, directory=PROJECT, variables={**machine.variables, "PATH": path}, log_path=log_path
    )
