"""Starts processes that end when we do, however that is."""

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from local.servers.guard import our_guard


def launch(
    command: list[str],
    *,
    log_path: Path,
    directory: Path,
    environment: Mapping[str, str],
    user: pwd.struct_passwd | None,
    first_signal: signal.Signals,
) -> "subprocess.Popen[bytes]":
    """Starts a process, in a session of its own, that the guard knows of before it does anything.

    `log_path`: what it prints is added there; `directory`: where it starts; `user`: None for ourselves.
    """
    # The shell becomes the program once the guard was told; if we die before, it reads no line and ends.
    guarded = ["/bin/sh", "-c", 'read -r go && exec "$@"', "sh", *command]
    gate, our_end = os.pipe()
    try:
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                guarded,
                stdin=gate,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
            )
        our_guard().watch_process(process.pid, first_signal)
        os.write(our_end, b"go\n")
    finally:
        os.close(gate)
        os.close(our_end)
    return process


def wait_for(process: "subprocess.Popen[bytes]") -> None:
    """Takes note, and lets the guard do so, that a process has ended."""
    process.wait()
    our_guard().forget_process(process.pid)
