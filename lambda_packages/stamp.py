"""What a zip file was made from, in a JSON file beside it, so that it is made anew only when that changed."""

import contextlib
import hashlib
import json
import os
import platform
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lambda_packages.bytecode import can_compile


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What is known of a zip file; `contents` says it in words, `made_from` is the digest of all sources."""

    made_from: str
    builder: str
    bytecode: bool
    sha256: str
    zipped_bytes: int
    unzipped_bytes: int
    contents: list[str]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A zip file with its stamp; `zipped` is None if the one in place is as it should be."""

    name: str
    stamp: Stamp
    zipped: bytes | None = None


def builder() -> str:
    """What of this machine has an influence on a zip file's bytes."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, zlib {zlib.ZLIB_RUNTIME_VERSION}"


def digest(sources: Any) -> str:
    """A digest of anything JSON can hold, and of the code of this package."""
    here = Path(__file__).parent
    code = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in here.glob("*.py")}
    return hashlib.sha256(json.dumps([sources, code], sort_keys=True).encode()).hexdigest()


def new_package(
    name: str, zipped: bytes, *, made_from: str, unzipped_bytes: int, contents: list[str]
) -> Package:
    """A package just made by this Python."""
    stamp = Stamp(
        made_from=made_from,
        builder=builder(),
        bytecode=can_compile(),
        sha256=hashlib.sha256(zipped).hexdigest(),
        zipped_bytes=len(zipped),
        unzipped_bytes=unzipped_bytes,
        contents=contents,
    )
    return Package(name=name, stamp=stamp, zipped=zipped)


def current_stamp(file: Path, made_from: str) -> Stamp | None:
    """The stamp of a zip file that is there, unharmed and made from `made_from`, by whichever builder."""
    try:
        stamp = Stamp(**json.loads(_stamp_file(file).read_text(encoding="utf-8")))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError):
        return None
    return stamp if (stamp.made_from, stamp.sha256) == (made_from, sha256) else None


def put(packages: list[Package], directory: Path) -> None:
    """Put the packages that are new into `directory`, each file at once.

    Raises: OSError if it cannot be written to; then what was there is whole.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if package.zipped is not None:
            file = directory / package.name
            _replace(file, package.zipped)
            _replace(_stamp_file(file), (json.dumps(asdict(package.stamp), indent=1) + "\n").encode())


def _stamp_file(file: Path) -> Path:
    return file.with_suffix(".json")


def _replace(file: Path, contents: bytes) -> None:
    # Two builds at once write the same bytes, but must not write to one file.
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(contents)
        unfinished.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
