"""What this machine must have for a deployment, found or installed; what it lacks is said in one message."""

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_packages import DIST
from local.deploy import subprocesses
from local.deploy.environment_variables import kept
from local.deploy.errors import DeployError, Lacking
from local.emulated_aws.function_service import PROJECT
from terraform_cli import Provider, Unavailable, choose_provider, find_terraform

EMULATOR_PROGRAM: Final = Path(__file__).with_name("emulator_corrections.py")
EMULATOR_PYTHON: Final = PROJECT / ".local" / "emulator" / "venv" / "bin" / "python"
_ARCHITECTURES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}
_LACKING: Final = 3
_LAST_LINES: Final = 15


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found: `variables` are the user's that matter; `architecture` in Lambda's word."""

    variables: Mapping[str, str]
    architecture: str
    provider: Provider
    told: str

    @property
    def code(self) -> Path:
        """The built code."""
        return DIST / "code.zip"

    @property
    def layer(self) -> Path:
        """The built layer for this machine."""
        return DIST / f"layer-{self.architecture}.zip"


def find_architecture(system: str, processor: str) -> str:
    """Return Lambda's word for a machine's processor. Raises: Lacking."""
    if system != "linux":
        raise Lacking(f"the layer is built for Linux and runs on nothing else; this machine runs {system}")
    if processor not in _ARCHITECTURES:
        raise Lacking(f"Lambda knows no {processor}; accepted: {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[processor]


def find_machine(variables: Mapping[str, str]) -> Machine:
    """Return what is here; may take the provider from its registry, which takes minutes. Raises: Lacking."""
    architecture = find_architecture(sys.platform, platform.machine())
    try:
        terraform = find_terraform(variables)
        provider = choose_provider(terraform, kept(variables))
    except Unavailable as error:
        raise Lacking(str(error)) from error
    return Machine(
        variables=kept(variables),
        architecture=architecture,
        provider=provider,
        told=f"Terraform {terraform.version}, {provider.told}",
    )


async def install_emulator(machine: Machine, log_path: Path) -> None:
    """Install it into its own virtual environment, unless it is there. Raises: Lacking, DeployError."""
    code = await _run(["bash", "scripts/emulator.sh"], machine, log_path)
    if code == _LACKING:
        raise Lacking(f"the emulator cannot be installed:\n{subprocesses.last_lines(log_path, _LAST_LINES)}")
    if code:
        raise DeployError(
            f"installing the emulator failed:\n{subprocesses.last_lines(log_path, _LAST_LINES)}"
        )


async def install_cdktf(machine: Machine, log_path: Path) -> None:
    """Install the CLI that package-lock.json pins, unless it is there. Raises: Lacking, DeployError."""
    if await _run(["bash", "scripts/node_modules.sh"], machine, log_path):
        said = subprocesses.last_lines(log_path, _LAST_LINES)
        if "EINTEGRITY" in said:
            raise DeployError(f"npm got other packages than package-lock.json pins:\n{said}")
        raise Lacking(f"cdktf cannot be installed:\n{said}")


async def build_packages(machine: Machine, log_path: Path) -> None:
    """Build what Lambda runs, unless it is there. Raises: Lacking, DeployError."""
    words = ["-m", "lambda_packages", "--architecture", machine.architecture]
    if await _run([sys.executable, *words], machine, log_path):
        said = subprocesses.last_lines(log_path, _LAST_LINES)
        if "cannot reach the package index" in said:
            raise Lacking(f"the layer cannot be built:\n{said}")
        raise DeployError(f"building the packages failed:\n{said}")


async def _run(words: list[str], machine: Machine, log_path: Path) -> int:
    path = os.pathsep.join((str(Path(sys.executable).parent), machine.variables.get("PATH", os.defpath)))
    return await subprocesses.run(
        words, directory=PROJECT, environment={**machine.variables, "PATH": path}, log_path=log_path
    )
