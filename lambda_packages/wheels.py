"""The wheels that Pipfile.lock pins for the runtime, downloaded by pip and checked by hash."""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lambda_packages.errors import PackagingError
from lambda_packages.target import PYTHON_VERSION, RUNTIME, marker_environment, platforms

_NOT_FOUND = re.compile(r"No matching distribution found for (\S+)")
_OTHER_HASH = re.compile(r"DO NOT MATCH THE HASHES.*?^\s+(\S+==\S+)", re.DOTALL | re.MULTILINE)
_UNREACHABLE = re.compile(r"Retrying \(|Could not fetch URL|ConnectionError|Timeout|Network is unreachable")


def requirements(locked: Mapping[str, Any], architecture: str) -> list[str]:
    """Return one pip requirement per package in a section of Pipfile.lock that the runtime needs, by name.

    Markers are evaluated for the runtime and left out: pip would evaluate them for the machine it runs on.

    Raises: ValueError if Lambda has no such architecture.
    """
    # Imported here: synthesis imports this module and may be run by a Python without `packaging`.
    from packaging.markers import Marker

    environment = marker_environment(architecture)
    lines = []
    for name, package in sorted(locked.items()):
        if "markers" not in package or Marker(package["markers"]).evaluate(environment):
            hashes = "".join(f" --hash={digest}" for digest in package["hashes"])
            lines.append(f"{name}{package['version']}{hashes}")
    return lines


def download(
    lines: Iterable[str], architecture: str, directory: Path, *, pip_options: Iterable[str] = ()
) -> list[Path]:
    """Download the wheel of each requirement into `directory` and return them by name.

    Raises: PackagingError if the index cannot be reached, a package has no wheel for the runtime, or a file's
        hash is not the lock's.
    """
    wanted = directory / "requirements.txt"
    wanted.write_text("\n".join(lines), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(wanted)]
    finished = subprocess.run(  # noqa: S603
        [*pip, *locked, *_target_options(architecture), "--dest", str(directory), *pip_options],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode:
        raise PackagingError(_what_failed(finished.stdout + finished.stderr, architecture))
    return sorted(directory.glob("*.whl"))


def _target_options(architecture: str) -> list[str]:
    options = ["--python-version", PYTHON_VERSION, "--implementation", "cp"]
    options += ["--abi", f"cp{PYTHON_VERSION.replace('.', '')}"]
    for platform in platforms(architecture):
        options += ["--platform", platform]
    return options


def _what_failed(said: str, architecture: str) -> str:
    if (other := _OTHER_HASH.search(said)) is not None:
        return (
            f"{other[1]}: the package index has a file that Pipfile.lock does not pin; find out who changed "
            "it and, if that was intended, run `make lock`"
        )
    missing = _NOT_FOUND.search(said)
    if _UNREACHABLE.search(said):
        wanted = f" for {missing[1]}" if missing is not None else ""
        return (
            f"pip cannot reach the package index{wanted}; check the network and pip's own settings "
            "(`pip config list`), then try again; only this step needs the network"
        )
    if missing is not None:
        return (
            f"{missing[1]} has no wheel for {RUNTIME} on {architecture}; choose a version that has one in "
            "Pipfile and run `make lock`, or remove the dependency"
        )
    return f"pip failed for {architecture}:\n{said.strip()}"
