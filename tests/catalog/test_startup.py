"""The program's help is there at once: what is slow to import waits until a command needs it."""

import subprocess
import sys

SLOW = ("aioboto3", "aiohttp", "duckdb", "pygal", "starlette", "uvicorn")


def test_the_help_imports_nothing_slow() -> None:
    program = f"import sys, catalog.app; print(sorted(set({SLOW}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"
