"""Bytecode beside the modules, if this Python is the runtime's."""

import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from lambda_packages.errors import PackageError
from lambda_packages.target import BYTECODE_MAGIC, CACHE_TAG, PROJECT

# No site packages, no bytecode written, no warnings about the source of others.
_FLAGS = ("-S", "-s", "-B", "-W", "ignore")


def can_compile() -> bool:
    """Whether what this Python compiles is what the runtime loads."""
    return sys.implementation.cache_tag == CACHE_TAG and importlib.util.MAGIC_NUMBER == BYTECODE_MAGIC


def with_bytecode(entries: Mapping[str, bytes], root: str) -> dict[str, bytes]:
    """The entries and a pyc for each module of them; no pycs if this Python is none that `can_compile`.

    The runtime takes the pycs without looking at the modules' times or contents: what it unpacks never
    changes. Tracebacks and `co_filename` say where a module will be under `root`, an absolute path.

    Raises: PackageError if a module does not compile.
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
    """This one without Python's settings; what the interpreter may need to start at all stays."""
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
        raise PackageError(finished.stderr.decode(errors="replace").strip())
    pycs: list[bytes] = marshal.loads(finished.stdout)  # noqa: S302
    return pycs
