import io
import marshal
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lambda_packages import build_code
from lambda_packages.bytecode import can_compile
from lambda_packages.function_code import NAME, SOURCE, code_entries, make_code
from lambda_packages.target import PROJECT

requires_the_runtimes_python = pytest.mark.skipif(
    not can_compile(), reason="this Python is not the runtime's, so it ships no bytecode"
)
BUILD = """
import sys
from pathlib import Path
from lambda_packages import build_code

build_code(Path("dist"), source=Path(sys.argv[1]))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files that ship, and files that do not."""
    source = tmp_path / "checkout" / "processor"
    for path, text in {
        "__init__.py": '"""A package."""\n',
        "handler.py": "from pathlib import Path\n\ndef where():\n    return where.__code__.co_filename\n",
        "migrations/0001_first.sql": "select 1;\n",
        "certificates/roots.pem": "# Made: today\n",
        "__pycache__/handler.cpython-313.pyc": "old",
        "adapters/__pycache__/gone.cpython-313.pyc": "old",
        ".DS_Store": "",
        ".idea/workspace.xml": "",
        "handler.py.orig": "",
        "handler.py~": "",
    }.items():
        file = source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return source


SHIPPED = ["__init__.py", "certificates/roots.pem", "handler.py", "migrations/0001_first.sql"]


def test_everything_ships_except_caches_and_leftovers(source: Path, tmp_path: Path) -> None:
    archive = zipfile.ZipFile(build_code(tmp_path / "dist", source=source))
    sources = [name for name in archive.namelist() if "__pycache__" not in name]
    assert sources == [f"processor/{path}" for path in SHIPPED]
    pycs = ["processor/__pycache__/__init__.cpython-313.pyc", "processor/__pycache__/handler.cpython-313.pyc"]
    assert sorted(set(archive.namelist()) - set(sources)) == (pycs if can_compile() else [])


def test_the_processor_ships_with_migrations_and_certificates() -> None:
    entries = code_entries()
    assert {path for path in entries if not path.endswith(".py")} == {
        f"processor/{file.relative_to(SOURCE).as_posix()}"
        for folder in ("migrations", "certificates")
        for file in (SOURCE / folder).iterdir()
    }
    assert {path for path in entries if path.endswith(".py")} == {
        f"processor/{file.relative_to(SOURCE).as_posix()}" for file in SOURCE.rglob("*.py")
    }


@pytest.mark.parametrize(
    ("umask", "environment"),
    [
        (0o077, {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONOPTIMIZE": "2"}),
        (
            0o002,
            {"PYTHONHASHSEED": "random", "LC_ALL": "tr_TR.UTF-8", "TZ": "America/Lima"},
        ),
    ],
)
def test_the_same_bytes_wherever_and_whenever_it_is_built(
    source: Path, tmp_path: Path, umask: int, environment: dict[str, str]
) -> None:
    elsewhere = tmp_path / "with a blank" / "processor"
    shutil.copytree(source, elsewhere)
    for file in elsewhere.rglob("*"):
        os.utime(file, (1_000_000_000, 1_500_000_000))
        file.chmod(0o700)
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", BUILD, str(elsewhere)],
        cwd=elsewhere.parent,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        umask=umask,
        check=True,
    )
    here = build_code(tmp_path / "dist", source=source)
    assert (elsewhere.parent / "dist" / NAME).read_bytes() == here.read_bytes()


def test_only_changes_are_built_again(source: Path, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    file = build_code(dist, source=source)
    made = file.stat().st_mtime_ns
    assert build_code(dist, source=source).stat().st_mtime_ns == made
    (source / "handler.py").write_text("x = 1\n")
    first = file.read_bytes()
    assert build_code(dist, source=source).read_bytes() != first
    assert make_code(dist, source=source, rebuild=True).zipped == file.read_bytes()


def test_a_damaged_file_is_built_again(source: Path, tmp_path: Path) -> None:
    file = build_code(tmp_path, source=source)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert build_code(tmp_path, source=source).read_bytes() == whole
    file.with_suffix(".json").write_text("{")
    assert build_code(tmp_path, source=source).read_bytes() == whole


def test_nothing_else_is_left_in_dist(source: Path, tmp_path: Path) -> None:
    build_code(tmp_path / "dist", source=source)
    assert sorted(file.name for file in (tmp_path / "dist").iterdir()) == ["code.json", "code.zip"]


@requires_the_runtimes_python
def test_bytecode_says_where_lambda_puts_the_module(source: Path, tmp_path: Path) -> None:
    archive = zipfile.ZipFile(build_code(tmp_path, source=source))
    written = archive.read("processor/__pycache__/handler.cpython-313.pyc")
    assert marshal.loads(written[16:]).co_filename == "/var/task/processor/handler.py"  # noqa: S302


@requires_the_runtimes_python
def test_python_runs_the_bytecode_and_writes_none(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "task"
    zipfile.ZipFile(io.BytesIO(build_code(tmp_path, source=source).read_bytes())).extractall(root)
    # Python would now ignore a pyc that it checks against its source, by time or hash.
    (root / "processor" / "handler.py").write_text("raise SystemExit('compiled again')\n")
    before = sorted(root.rglob("*"))
    finished = subprocess.run(
        [sys.executable, "-S", "-c", "from processor import handler; print(handler.where())"],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == str(root / "processor" / "handler.py")
    assert sorted(root.rglob("*")) == before
