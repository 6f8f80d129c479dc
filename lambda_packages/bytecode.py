"""Bytecode for the modules, if this Python compiles for Lambda's runtime."""

import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from lambda_packages.errors import PackagingError
from lambda_packages.target import BYTECODE_MAGIC, CACHE_TAG, PROJECT

# No site packages, no bytecode files, no warnings about other people's source.
_FLAGS = ("-S", "-s", "-B", "-W", "ignore")


def can_compile() -> bool:
    """Return whether the runtime loads what this Python compiles."""
    return sys.implementation.cache_tag == CACHE_TAG and importlib.util.MAGIC_NUMBER == BYTECODE_MAGIC


def with_bytecode(entries: Mapping[str, bytes], root: str) -> dict[str, bytes]:
    """Return the entries with a pyc for each module; without pycs unless this Python `can_compile`.

    The runtime uses the pycs without checking the modules' times or contents, which never change after
    unpacking. Tracebacks and `co_filename` name a module's path below `root`, an absolute path.

    Raises: PackagingError if a module does not compile.
    """
    if not can_compile():
        return dict(entries)
    modules = [path for path in sorted(entries) if path.endswith(".py")]
    pycs = _compile([(f"{root}/{path}", entries[path]) for path in modules])
    return {**entries, **{_pyc_path(path): pyc for path, pyc in zip(modules, pycs, strict=True)}}


def _pyc_path(module: str) -> str:
    path = PurePosixPath(module)
    return str(path.parent / "__pycache__" / f"{path.stem}.{CACHE_TAG}.pyc")


def _environment() -> dict[str, str]:
    """Return our environment variables without Python's settings; the interpreter may need the others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}


def _compile(modules: list[tuple[str, bytes]]) -> list[bytes]:
    finished = subprocess.run(  # noqa: S603
        [sys.executable, *_FLAGS, "-m", "lambda_packages.compiler"],
        input=marshal.dumps(modules),
        capture_output=True,
        cwd=PROJECT,
        env=_environment(),
        check=False,
    )
    if finished.returncode:
        raise PackagingError(finished.stderr.decode(errors="replace").strip())
    pycs: list[bytes] = marshal.loads(finished.stdout)  # noqa: S302
    return pycs
