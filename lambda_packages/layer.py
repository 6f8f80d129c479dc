"""The layer: what the processor imports that is not ours, from the wheels that Pipfile.lock pins."""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from lambda_packages.bytecode import with_bytecode
from lambda_packages.stamp import Package, builder, current_stamp, digest, new_package
from lambda_packages.target import DIST, LAYER_ROOT, PROJECT, RUNTIME, machine
from lambda_packages.unpacking import unpacked
from lambda_packages.wheels import download, requirements
from lambda_packages.zip_file import zipped

LOCK = PROJECT / "Pipfile.lock"
# The section that `[packages]` of Pipfile is locked in: what the function ships.
_SECTION = "default"


class Fetch(Protocol):
    """Where wheels come from; `wheels.download` but for tests."""

    def __call__(self, lines: Iterable[str], architecture: str, directory: Path) -> list[Path]:
        """Put the wheels of the requirements into `directory` and return them."""


def layer_name(architecture: str) -> str:
    """The layer's file name. Raises: ValueError if Lambda has no such architecture."""
    machine(architecture)
    return f"layer-{architecture}.zip"


def find_layer(architecture: str, dist: Path = DIST, *, lock: Path = LOCK) -> Path | None:
    """The layer in `dist` if it is there, whole, and made from today's lock; builds nothing.

    Raises: ValueError if Lambda has no such architecture.
    """
    file = dist / layer_name(architecture)
    return None if current_stamp(file, _made_from(_locked(lock), architecture)) is None else file


def make_layer(
    architecture: str,
    dist: Path,
    *,
    tell: Callable[[str], None],
    rebuild: bool = False,
    lock: Path = LOCK,
    fetch: Fetch = download,
) -> Package:
    """The layer's package, made if there is none in `dist` or it differs; `tell` hears what takes a while.

    Raises: PackageError, ValueError.
    """
    name = layer_name(architecture)
    locked = _locked(lock)
    made_from = _made_from(locked, architecture)
    known = current_stamp(dist / name, made_from)
    if known is not None and known.builder == builder() and not rebuild:
        tell(f"{name} is as it should be")
        return Package(name=name, stamp=known)
    with tempfile.TemporaryDirectory() as directory:
        lines = requirements(locked, architecture)
        tell(f"downloading {len(lines)} wheels for {architecture}")
        wheels = fetch(lines, architecture, Path(directory))
        entries = unpacked(wheels)
        contents = sorted(wheel.name for wheel in wheels)
    tell(f"making {name}: {sum(path.endswith('.py') for path in entries)} modules")
    shipped = with_bytecode(entries, LAYER_ROOT)
    return new_package(
        name,
        zipped(shipped),
        made_from=made_from,
        unzipped_bytes=sum(map(len, shipped.values())),
        contents=contents,
    )


def _locked(lock: Path) -> dict[str, Any]:
    section: dict[str, Any] = json.loads(lock.read_text(encoding="utf-8"))[_SECTION]
    return section


def _made_from(locked: dict[str, Any], architecture: str) -> str:
    return digest({"locked": locked, "architecture": architecture, "runtime": RUNTIME})
