"""A command in a pseudo-terminal: what it prints, and when."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

Printed = Sequence[tuple[float, str]]
"""(Seconds since the start, text) of what was printed."""

COLUMNS, ROWS = 100, 40
_CTRL_C = b"\x03"
# Of what Rich writes, all that moves the cursor or erases.
_CONTROL = re.compile(r"\r\n|\n|\r|\x1b\[(\d*)A|\x1b\[2K|\x1b\[\?25[hl]")


class RecordingError(Exception):
    """A command that did not print what was expected."""


@dataclass(kw_only=True)
class Session:
    """A running command, and what it printed."""

    words: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    printed: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start it."""
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(  # noqa: S603
            self.words,
            cwd=self.folder,
            env={**self.variables, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            # Ctrl-C goes to whose terminal it is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Press Ctrl-C if it still runs, and wait for its end."""
        if self._process.poll() is None:
            os.write(self._master, _CTRL_C)
            while self._read(timeout_seconds=60):
                pass
        self._process.wait(60)
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was printed, with escape sequences."""
        return "".join(text for _, text in self.printed)

    def read_until(self, words: str | None, *, timeout_seconds: float) -> None:
        """Read until these words are there; without any, until the end.

        Raises:
            RecordingError: they do not come, or the command fails.
        """
        end = time.monotonic() + timeout_seconds
        while words is None or words not in self.text:
            if not self._read(timeout_seconds=end - time.monotonic()):
                break
        if words is None and self._process.wait(10) != 0:
            raise RecordingError(f"{' '.join(self.words)} failed:\n{self.text}")
        if words is not None and words not in self.text:
            raise RecordingError(f"{' '.join(self.words)} did not print {words!r}:\n{self.text}")

    def _read(self, *, timeout_seconds: float) -> bool:
        """Keep what comes next; return whether something came."""
        ready, _, _ = select.select([self._master], [], [], max(timeout_seconds, 0))
        try:
            part = os.read(self._master, 65_536) if ready else b""
        except OSError:  # Linux's way to say that nobody writes any more
            part = b""
        self.printed.append((time.monotonic() - self._started, part.decode(errors="replace")))
        return bool(part)


def screen(text: str) -> list[str]:
    """Return the lines that a text leaves on a screen, colours as they were written."""
    lines = [""]
    row, start = 0, 0
    for control in [*_CONTROL.finditer(text), None]:
        lines[row] += text[start : control.start() if control else None]
        if control is None:
            break
        start = control.end()
        match control[0]:
            case "\n" | "\r\n":
                row += 1
                lines += [""] * (row == len(lines))
            case "\x1b[2K":
                lines[row] = ""
            case up if up.endswith("A"):
                row -= int(control[1] or 1)
            case _:  # what follows \r erases the line first
                pass
    return lines
