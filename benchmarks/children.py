"""Processes that serve this one and end with it: each ends when its standard input does."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Child:
    """A module of this package that runs in a process of its own; lines go in and come out."""

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        self._module = module

    def send(self, line: str) -> None:
        """Send a line."""
        if self.process.stdin is not None:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()

    def receive(self) -> str:
        """Wait for a line. Raises: ChildProcessError if the process ended instead."""
        line = self.process.stdout.readline() if self.process.stdout is not None else ""
        if not line:
            raise ChildProcessError(f"{self._module} ended with {self.process.wait()}; see its error above")
        return line

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def end_with_parent() -> None:
    """End this process when its standard input ends, which is when its parent closes it or ends."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
