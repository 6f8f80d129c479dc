"""Run a program to its end, watched by the guard, with its output in a log."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from local.servers.guard import end_processes
from local.servers.launching import launch, wait_for

_POLL_SECONDS = 0.2


async def run(
    command: list[str],
    *,
    directory: Path,
    variables: Mapping[str, str],
    log_path: Path,
    on_line: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a program; return its exit code. `on_line` is called with each line soon after it was printed.

    `variables`: all environment variables. If this is cancelled, the program and all its descendants are
    ended; if we are killed, the guard ends them.
    """
    process = _start(command, directory, variables, log_path)
    try:
        with log_path.open(encoding="utf-8", errors="replace") as log:
            lines = _Lines(on_line)
            while process.poll() is None:
                lines.take(log.read())
                await asyncio.sleep(_POLL_SECONDS)
            lines.take(log.read() + os.linesep)
    finally:
        _end(process)
    return process.returncode


def _start(
    command: list[str], directory: Path, variables: Mapping[str, str], log_path: Path
) -> "subprocess.Popen[bytes]":
    log_path.unlink(missing_ok=True)
    return launch(
        command,
        log_path=log_path,
        directory=directory,
        environment=variables,
        user=None,
        first_signal=signal.SIGKILL,
    )


def last_lines(log_path: Path, count: int) -> str:
    """Return the end of a log, without empty lines."""
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line.rstrip() for line in lines if line.strip()][-count:])


class _Lines:
    """A splitter of text into whole lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._partial = ""

    def take(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            self._on_line(line)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        end_processes({process.pid: signal.SIGKILL})
    wait_for(process)
