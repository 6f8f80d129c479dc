"""The file by which other programs find a kept run, and know that it still runs."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STATE = Path(__file__).parents[2] / ".local" / "kept-run.json"


class KeptRunError(Exception):
    """There is no kept run, or already one."""


@contextmanager
def hold_state(path: Path, state: Mapping[str, Any]) -> Iterator[None]:
    """Keep the state in a file, locked for as long as the block lasts; the lock ends with the process.

    A process id would not do: after a crash another process may get it. Raises: KeptRunError.
    """
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeptRunError("there is a kept run already; stop that one first") from None
        file.truncate()
        json.dump(state, file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def held_state(path: Path) -> dict[str, Any] | None:
    """Return the state that a running process holds; None if there is none, or its process has ended."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                state: dict[str, Any] = json.load(file)
                return state
    except (OSError, ValueError):
        pass
    return None
