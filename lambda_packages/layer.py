"""The layer: the third-party packages that the processor imports, from the wheels that Pipfile.lock pins."""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from lambda_packages.bytecode import with_bytecode
from lambda_packages.stamp import StampedZip, builder, current_stamp, digest, new_zip
from lambda_packages.target import DIST, LAYER_ROOT, PROJECT, RUNTIME, machine
from lambda_packages.unpacking import unpacked
from lambda_packages.wheels import download, requirements
from lambda_packages.zip_file import zipped

LOCK = PROJECT / "Pipfile.lock"
# Pipfile.lock's section for `[packages]` of Pipfile, which the function needs.
_SECTION = "default"


class Fetch(Protocol):
    """The source of wheels: `wheels.download`, except in tests."""

    def __call__(self, lines: Iterable[str], architecture: str, directory: Path) -> list[Path]:
        """Put the wheels of the requirements into `directory` and return them."""


def layer_name(architecture: str) -> str:
    """Return the layer's file name.

    Raises: ValueError if Lambda has no such architecture.
    """
    machine(architecture)
    return f"layer-{architecture}.zip"


def find_layer(architecture: str, dist: Path = DIST, *, lock: Path = LOCK) -> Path | None:
    """Return the layer in `dist` if it is intact and made from the present lock, else None; build nothing.

    Raises: ValueError if Lambda has no such architecture.
    """
    file = dist / layer_name(architecture)
    return None if current_stamp(file, _made_from(locked_packages(lock), architecture)) is None else file


def make_layer(
    architecture: str,
    dist: Path,
    *,
    progress: Callable[[str], None],
    rebuild: bool = False,
    lock: Path = LOCK,
    fetch: Fetch = download,
) -> StampedZip:
    """Return the layer's zip file, built unless `dist` has a current one; `progress` gets a line per step.

    Raises: PackagingError, ValueError.
    """
    name = layer_name(architecture)
    locked = locked_packages(lock)
    made_from = _made_from(locked, architecture)
    known = current_stamp(dist / name, made_from)
    if known is not None and known.builder == builder() and not rebuild:
        progress(f"{name} is up to date")
        return StampedZip(name=name, stamp=known)
    with tempfile.TemporaryDirectory() as directory:
        lines = requirements(locked, architecture)
        progress(f"downloading {len(lines)} wheels for {architecture}")
        wheels = fetch(lines, architecture, Path(directory))
        entries = unpacked(wheels)
        contents = sorted(wheel.name for wheel in wheels)
    progress(f"making {name}: {sum(path.endswith('.py') for path in entries)} modules")
    shipped = with_bytecode(entries, LAYER_ROOT)
    return new_zip(
        name,
        zipped(shipped),
        made_from=made_from,
        unzipped_bytes=sum(map(len, shipped.values())),
        contents=contents,
    )


def locked_packages(lock: Path = LOCK) -> dict[str, Any]:
    """Return the lock's entries of what the function needs, by package."""
    section: dict[str, Any] = json.loads(lock.read_text(encoding="utf-8"))[_SECTION]
    return section


def _made_from(locked: dict[str, Any], architecture: str) -> str:
    return digest({"locked": locked, "architecture": architecture, "runtime": RUNTIME})
