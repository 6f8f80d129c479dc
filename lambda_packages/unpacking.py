"""Wheels → the layer's entries, without what nothing reads at run time.

The wheels are unpacked here and not by pip, which would write records of its own doing into the tree.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lambda_packages.errors import PackageError

# The AWS services that the processor, or botocore for its credentials, makes clients of. The models of the
# other 400 are half of all that would be shipped, and too much for the budget.
SERVICES = frozenset({"s3", "secretsmanager", "sts"})

# What modules were compiled from, and what type checkers read.
_SOURCES = frozenset({".c", ".h", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx"})
# Of a distribution's metadata: what `importlib.metadata` is asked for, and what licences want passed on.
# RECORD would list what is no longer there.
_METADATA = frozenset({"METADATA", "entry_points.txt", "top_level.txt"})
_LICENCE = re.compile(r"(AUTHORS|COPYING|LICEN[CS]E|NOTICE)", re.IGNORECASE)
_MODULE_SCHEMES = frozenset({"purelib", "platlib"})


def unpacked(wheels: Iterable[Path]) -> dict[str, bytes]:
    """Path in the layer → contents, of all wheels.

    Raises: PackageError if two wheels hold different files of one path.
    """
    entries: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                path = _installed_path(info.filename)
                if info.is_dir() or path is None or not _ships(path):
                    continue
                contents = archive.read(info)
                if entries.setdefault(f"python/{path}", contents) != contents:
                    raise PackageError(
                        f"{wheel.name} has another {path} than a package before it; do without one"
                    )
    return entries


def _installed_path(name: str) -> PurePosixPath | None:
    """Where a wheel's file goes beside the packages; None if it goes elsewhere, such as scripts."""
    path = PurePosixPath(name)
    if not path.parts[0].endswith(".data"):
        return path
    if len(path.parts) < 3 or path.parts[1] not in _MODULE_SCHEMES:
        return None
    return PurePosixPath(*path.parts[2:])


def _ships(path: PurePosixPath) -> bool:
    top, *below = path.parts
    if top.endswith(".dist-info"):
        return below[0] == "licenses" or path.name in _METADATA or _LICENCE.match(path.name) is not None
    if (top, *below[:1]) == ("botocore", "data") and len(below) > 2:
        return below[1] in SERVICES
    return path.suffix not in _SOURCES
