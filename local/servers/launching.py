"""Start processes that end when we end, however we end."""

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
    """Start a process in a separate session; the guard watches it before it does anything.

    `log_path`: its output is appended there; `directory`: its working directory; `user`: None for ours.
    """
    # The shell waits for a line before it runs the program, and gets it once the guard watches the process.
    # If we die before, the shell reads the end of its input and ends.
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
    """Wait for a process to end, and let the guard forget it."""
    process.wait()
    our_guard().forget_process(process.pid)
