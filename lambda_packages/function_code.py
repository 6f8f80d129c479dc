"""The function's code: everything under `processor/`, as it is in the checkout."""

import hashlib
from pathlib import Path

from lambda_packages.bytecode import with_bytecode
from lambda_packages.stamp import Package, builder, current_stamp, digest, new_package, put
from lambda_packages.target import CODE_ROOT, DIST, PROJECT
from lambda_packages.zip_file import zipped

NAME = "code.zip"
SOURCE = PROJECT / "processor"
# What editors, merges and Python leave behind.
_LEFT_BEHIND = ("~", ".bak", ".orig", ".pyc", ".rej", ".swp", ".tmp")


def build_code(dist: Path = DIST, *, source: Path = SOURCE) -> Path:
    """The code's zip file in `dist`, built if it is not there or `source` has changed: the package to ship.

    Needs no network; takes half a second, or a moment if there is nothing to do.

    Raises: PackageError if a module does not compile, OSError if `dist` cannot be written to.
    """
    put([make_code(dist, source=source)], dist)
    return dist / NAME


def make_code(dist: Path, *, source: Path = SOURCE, rebuild: bool = False) -> Package:
    """The code's package, made if there is none in `dist` or it differs. Raises: PackageError."""
    entries = code_entries(source)
    made_from = digest({path: hashlib.sha256(contents).hexdigest() for path, contents in entries.items()})
    known = current_stamp(dist / NAME, made_from)
    if known is not None and known.builder == builder() and not rebuild:
        return Package(name=NAME, stamp=known)
    shipped = with_bytecode(entries, CODE_ROOT)
    return new_package(
        NAME,
        zipped(shipped),
        made_from=made_from,
        unzipped_bytes=sum(map(len, shipped.values())),
        contents=sorted(entries),
    )


def code_entries(source: Path = SOURCE) -> dict[str, bytes]:
    """Path in the zip file → contents, of each file in `source` but caches and what is left behind."""
    return {
        file.relative_to(source.parent).as_posix(): file.read_bytes()
        for file in sorted(source.rglob("*"))
        if file.is_file() and _ships(file.relative_to(source))
    }


def _ships(file: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in file.parts)
    return not hidden and not file.name.endswith(_LEFT_BEHIND)
