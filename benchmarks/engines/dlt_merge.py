"""G: dlt merges the rows into a table of its own, in a process of its own virtual environment.

    DLT_PYTHON: the interpreter of that environment; default: .local/benchmarks-dlt/venv/bin/python

Not ours: the table and its schema are dlt's (two more columns, no index on the product); no versions, the
last to load wins; the price stays whole cents. An update without a price removes the price. dlt writes the
rows to files first, loads them into a staging table, and merges that. Its CPU time is another process's.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.children import ROOT
from benchmarks.engine import Addresses, Engine
from benchmarks.rows import TYPES, prepared, rows
from processor.adapters.upsert import COLUMNS

PYTHON = ROOT / ".local" / "benchmarks-dlt" / "venv" / "bin" / "python"
_DLT_TYPES = {"text": "text", "integer": "bigint", "bigint": "bigint", "boolean": "bool"}


class DltMerge(Engine):
    """`pipeline.run` with dlt's defaults, and the strategy `upsert`."""

    name = "dlt"
    file_format = ""

    def open(self, addresses: Addresses) -> None:
        python = Path(os.environ.get("DLT_PYTHON", PYTHON))
        if not python.exists():
            raise FileNotFoundError(f"there is no {python}: `make bench` installs dlt, or set DLT_PYTHON")
        self._directory = tempfile.TemporaryDirectory()
        arguments = {
            "dsn": addresses.postgres.dsn,
            "directory": self._directory.name,
            "file_format": self.file_format or None,
            "columns": {
                name: {"data_type": _DLT_TYPES[kind]} for name, kind in zip(COLUMNS, TYPES, strict=True)
            },
        }
        self._process = subprocess.Popen(
            [
                python,
                Path(__file__).with_name("dlt_process.py"),
                json.dumps(arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_variables(),
        )

    def prepare(self, event: dict[str, Any]) -> tuple[str, int]:
        lines = [dict(zip(COLUMNS, row, strict=True)) for row in rows(prepared(event))]
        with tempfile.NamedTemporaryFile("w", dir=self._directory.name, delete=False) as file:
            json.dump(lines, file)
        return file.name, len(lines)

    def run(self, prepared: tuple[str, int]) -> int:
        file, count = prepared
        self._ask(file)
        return count

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._directory.cleanup()

    def _ask(self, line: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildProcessError("dlt's process has no pipes")
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ChildProcessError(f"dlt's process ended with {self._process.wait()}; see its error above")
        return answer


def _variables() -> dict[str, str]:
    """Return the process's environment variables: none of our packages, nothing sent to dlt's makers."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


class DltMergeCsv(DltMerge):
    """The same with COPY: files of the format `csv`."""

    name = "dlt_csv"
    file_format = "csv"
