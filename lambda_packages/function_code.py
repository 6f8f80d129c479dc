"""The function's code: everything under `processor/`, as it is in the checkout."""

import hashlib
from pathlib import Path

from lambda_packages.bytecode import with_bytecode
from lambda_packages.stamp import StampedZip, builder, current_stamp, digest, new_zip, write
from lambda_packages.target import CODE_ROOT, DIST, PROJECT
from lambda_packages.zip_file import zipped

NAME = "code.zip"
SOURCE = PROJECT / "processor"
# Files that editors, merges and Python leave behind.
_LEFTOVERS = ("~", ".bak", ".orig", ".pyc", ".rej", ".swp", ".tmp")


def build_code(dist: Path = DIST, *, source: Path = SOURCE) -> Path:
    """Return the code's zip file in `dist`; build it if it is missing or `source` has changed.

    Needs no network. A build takes half a second.

    Raises: PackagingError if a module does not compile, OSError if `dist` cannot be written to.
    """
    write([make_code(dist, source=source)], dist)
    return dist / NAME


def make_code(dist: Path, *, source: Path = SOURCE, rebuild: bool = False) -> StampedZip:
    """Return the code's zip file, built unless `dist` has a current one.

    Raises: PackagingError.
    """
    entries = code_entries(source)
    made_from = digest({path: hashlib.sha256(contents).hexdigest() for path, contents in entries.items()})
    known = current_stamp(dist / NAME, made_from)
    if known is not None and known.builder == builder() and not rebuild:
        return StampedZip(name=NAME, stamp=known)
    shipped = with_bytecode(entries, CODE_ROOT)
    return new_zip(
        NAME,
        zipped(shipped),
        made_from=made_from,
        unzipped_bytes=sum(map(len, shipped.values())),
        contents=sorted(entries),
    )


def code_entries(source: Path = SOURCE) -> dict[str, bytes]:
    """Return path in the zip file → contents, for each file in `source` except caches and leftovers."""
    return {
        file.relative_to(source.parent).as_posix(): file.read_bytes()
        for file in sorted(source.rglob("*"))
        if file.is_file() and _ships(file.relative_to(source))
    }


def _ships(file: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in file.parts)
    return not hidden and not file.name.endswith(_LEFTOVERS)
