"""A JSON file beside each zip file that records what it was built from, so that only changes are rebuilt."""

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
    """The record of a zip file; `made_from` is the digest of its sources, `contents` lists them to read."""

    made_from: str
    builder: str
    bytecode: bool
    sha256: str
    zipped_bytes: int
    unzipped_bytes: int
    contents: list[str]


@dataclass(frozen=True, kw_only=True)
class StampedZip:
    """A zip file with its stamp; `zipped` is None if the file in place is up to date."""

    name: str
    stamp: Stamp
    zipped: bytes | None = None


def builder() -> str:
    """Return the versions on this machine that a zip file's bytes depend on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, zlib {zlib.ZLIB_RUNTIME_VERSION}"


def digest(sources: Any) -> str:
    """Return a digest of any JSON value together with the code of this package."""
    here = Path(__file__).parent
    code = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in here.glob("*.py")}
    return hashlib.sha256(json.dumps([sources, code], sort_keys=True).encode()).hexdigest()


def new_zip(
    name: str, zipped: bytes, *, made_from: str, unzipped_bytes: int, contents: list[str]
) -> StampedZip:
    """Return a zip file that this Python has just built."""
    stamp = Stamp(
        made_from=made_from,
        builder=builder(),
        bytecode=can_compile(),
        sha256=hashlib.sha256(zipped).hexdigest(),
        zipped_bytes=len(zipped),
        unzipped_bytes=unzipped_bytes,
        contents=contents,
    )
    return StampedZip(name=name, stamp=stamp, zipped=zipped)


def current_stamp(file: Path, made_from: str) -> Stamp | None:
    """Return the stamp of a zip file that is intact and made from `made_from`, by any builder; else None."""
    try:
        stamp = Stamp(**json.loads(_stamp_file(file).read_text(encoding="utf-8")))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError):
        return None
    return stamp if (stamp.made_from, stamp.sha256) == (made_from, sha256) else None


def write(zips: list[StampedZip], directory: Path) -> None:
    """Write the zip files that are new to `directory`, each file atomically.

    Raises: OSError if it cannot be written to; existing files stay intact.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for built in zips:
        if built.zipped is not None:
            file = directory / built.name
            _replace(file, built.zipped)
            _replace(_stamp_file(file), (json.dumps(asdict(built.stamp), indent=1) + "\n").encode())


def _stamp_file(file: Path) -> Path:
    return file.with_suffix(".json")


def _replace(file: Path, contents: bytes) -> None:
    # Two concurrent builds write the same bytes, but must not write to the same file.
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(contents)
        unfinished.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
