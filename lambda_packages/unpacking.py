"""Wheels → the layer's entries, without files that nothing reads at run time.

The wheels are unpacked here and not by pip, which would add records of the installation.
"""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lambda_packages.errors import PackagingError

# The AWS services for which the processor, or botocore for credentials, creates clients. The models of the
# other 400 are half of the layer's size and would exceed the budget.
SERVICES = frozenset({"s3", "secretsmanager", "sts"})

# Sources of compiled modules, and stubs for type checkers.
_SOURCES = frozenset({".c", ".h", ".pxd", ".pxi", ".pyc", ".pyi", ".pyx"})
# The metadata that `importlib.metadata` reads. Licences are kept too, since they must be passed on. RECORD is
# not: it would list files that are removed here.
_METADATA = frozenset({"METADATA", "entry_points.txt", "top_level.txt"})
_LICENCE = re.compile(r"(AUTHORS|COPYING|LICEN[CS]E|NOTICE)", re.IGNORECASE)
_MODULE_SCHEMES = frozenset({"purelib", "platlib"})


def unpacked(wheels: Iterable[Path]) -> dict[str, bytes]:
    """Return path in the layer → contents, for all wheels.

    Raises: PackagingError if two wheels have different files at one path.
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
                    raise PackagingError(
                        f"{wheel.name} has a different {path} than an earlier package; remove one of the two"
                    )
    return entries


def _installed_path(name: str) -> PurePosixPath | None:
    """Return a file's path beside the packages; None if it is installed elsewhere, such as scripts."""
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
