"""Ends the embedded servers and removes their directories, however the process that started them ends.

The guard is a small process in a session of its own. It reads, from a pipe whose write end only the process
that started it holds, what to look after. When that process is gone, by Ctrl-C or `kill -9` alike, the pipe
reaches its end, and the guard does what nobody else can do any more.

The guard runs this file by its path, isolated from the environment: it imports only the standard library.
"""

import atexit
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

_GENTLE_SECONDS = 0.4
_KILLED_SECONDS = 5.0
_POLL_SECONDS = 0.01
_IPC_RMID = 0


def end_processes(roots: Mapping[int, int]) -> None:
    """Ends processes, stopped ones too, with all their descendants, and waits until they are gone.

    `roots` gives for each process the signal it and its descendants get first; what is still there
    0.4 seconds later is killed.
    """
    trees = {root: freeze(root) for root in roots}
    for root, tree in trees.items():
        send(tree, roots[root])
        # Children first: a signal that is pending ends them before they do another thing.
        send(reversed(tree), signal.SIGCONT)
    everything = [pid for tree in trees.values() for pid in tree]
    if not _wait_until_gone(everything, _GENTLE_SECONDS):
        send(everything, signal.SIGKILL)
        _wait_until_gone(everything, _KILLED_SECONDS)


def freeze(root: int) -> list[int]:
    """Stops a process and all its descendants (SIGSTOP); returns them, parents before children.

    A process group would not do: each PostgreSQL backend is in a session of its own.
    """
    frozen: list[int] = []
    # A stopped process forks no more, but one may have forked just before its signal arrived.
    while fresh := [pid for pid in process_tree(root) if pid not in frozen]:
        send(fresh, signal.SIGSTOP)
        frozen += fresh
    return frozen


def send(processes: Iterable[int], signal_number: int) -> None:
    """Sends a signal to each process that still exists."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def remove_directory(directory: Path) -> None:
    """Removes a server's directory, and the shared memory that a killed PostgreSQL left behind.

    A process that is dying can still add a file while its directory is being emptied, hence the repetition.
    """
    _remove_shared_memory(directory)
    deadline = time.monotonic() + _KILLED_SECONDS
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)


def running_processes() -> dict[int, int]:
    """The parent of each running process. Zombies, which hold nothing any more, are left out."""
    if Path("/proc/self/stat").exists():
        return _processes_of_proc()
    return _processes_of_ps()


def _processes_of_proc() -> dict[int, int]:
    parents = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
                # The command's name stands in parentheses and may hold any character.
                state, parent = (directory / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state not in {b"Z", b"X"}:
                    parents[int(directory.name)] = int(parent)
    return parents


def _processes_of_ps() -> dict[int, int]:
    command = ["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "stat="]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listing.splitlines())
    return {int(pid): int(parent) for pid, parent, state, *_ in rows if not state.startswith("Z")}


def process_tree(root: int) -> list[int]:
    """A process and all its descendants, parents before children; empty if it does not run."""
    parents = running_processes()
    tree = [root] if root in parents else []
    for ancestor in tree:  # grows as it goes
        tree += [pid for pid, parent in parents.items() if parent == ancestor]
    return tree


def _wait_until_gone(processes: Iterable[int], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not running_processes().keys().isdisjoint(processes):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _remove_shared_memory(directory: Path) -> None:
    """Removes the segment by which PostgreSQL marks its data directory as in use, if it had no chance to."""
    for lock_file in directory.glob("*/postmaster.pid"):
        with contextlib.suppress(FileNotFoundError):
            # Line 7 is "key id": https://www.postgresql.org/docs/18/storage-file-layout.html
            line = lock_file.read_text().splitlines()[6:7]
            if line and len(fields := line[0].split()) == 2:
                ctypes.CDLL(None).shmctl(int(fields[1]), _IPC_RMID, None)


class Guard:
    """A guard process of ours, and what we tell it.

    Watching raises BrokenPipeError if the guard was killed, since nothing is looked after any more.
    """

    def __init__(self) -> None:
        # Python's pipes are not inheritable, so no other child of ours holds the guard up.
        reading_end, self._writing_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
                stdin=reading_end,
                # It outlives us: whoever waits for the end of our output would wait for the guard too.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(reading_end)

    @property
    def pid(self) -> int:
        """The guard's own process."""
        return self._process.pid

    def watch_process(self, pid: int, first_signal: int) -> None:
        """Looks after a process that leads its own session; `first_signal` as in `end_processes`."""
        self._tell("watch process", pid, first_signal)

    def forget_process(self, pid: int) -> None:
        """To be called as soon as a process was waited for, since its number may be used again."""
        with contextlib.suppress(BrokenPipeError):
            self._tell("forget process", pid, 0)

    def watch_directory(self, directory: Path) -> None:
        """To be called before the directory is made, so that there is no moment without a guard."""
        self._tell("watch directory", str(directory), 0)

    def forget_directory(self, directory: Path) -> None:
        """To be called once the directory is gone."""
        with contextlib.suppress(BrokenPipeError):
            self._tell("forget directory", str(directory), 0)

    def finish(self) -> None:
        """Lets the guard end everything it still looks after, and waits for it."""
        os.close(self._writing_end)
        self._process.wait()

    def disown(self) -> None:
        """Lets go of the pipe in a forked child, which would else keep the guard waiting."""
        os.close(self._writing_end)
        # The guard is our parent's child, not ours: there is nothing to wait for.
        self._process.returncode = 0

    def _tell(self, order: str, subject: int | str, first_signal: int) -> None:
        # One write of less than PIPE_BUF bytes: whole, whatever other threads write.
        os.write(self._writing_end, json.dumps([order, subject, first_signal]).encode() + b"\n")


class _Ours:
    """The one guard of this process, started when first needed."""

    guard: Guard | None = None
    starting = threading.Lock()


def our_guard() -> Guard:
    """The guard of this process; the first call starts it."""
    with _Ours.starting:
        if _Ours.guard is None:
            _Ours.guard = Guard()
        return _Ours.guard


def _finish() -> None:
    if _Ours.guard is not None:
        _Ours.guard.finish()


def _disown() -> None:
    _Ours.starting = threading.Lock()
    if _Ours.guard is not None:
        _Ours.guard.disown()
        _Ours.guard = None


def _main() -> None:
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    processes: dict[int, int] = {}
    directories: set[str] = set()
    for line in sys.stdin.buffer:
        match json.loads(line):
            case ["watch process", pid, first_signal]:
                processes[pid] = first_signal
            case ["forget process", pid, _]:
                processes.pop(pid, None)
            case ["watch directory", directory, _]:
                directories.add(directory)
            case ["forget directory", directory, _]:
                directories.discard(directory)
    end_processes({pid: first for pid, first in processes.items() if _leads_its_session(pid)})
    for directory in directories:
        remove_directory(Path(directory))


def _leads_its_session(pid: int) -> bool:
    """Whether a number still means a server, and was not used again for some other process."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


if __name__ == "__main__":
    _main()
else:
    atexit.register(_finish)
    os.register_at_fork(after_in_child=_disown)
