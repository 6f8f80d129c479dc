"""End the embedded servers and remove their directories, however the process that started them ends.

The guard is a small process in a separate session. It reads from a pipe which processes and directories to
watch. Only the process that started the guard holds the pipe's write end. When that process ends, by Ctrl-C
or by `kill -9`, the pipe reaches its end, and the guard ends the servers and removes the directories.

The guard runs this file by its path in Python's isolated mode: it imports only the standard library.
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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_GENTLE_SECONDS = 0.4
_KILLED_SECONDS = 5.0
_POLL_SECONDS = 0.01
_IPC_RMID = 0


def end_processes(roots: Mapping[int, int]) -> None:
    """End processes and all their descendants, even stopped ones, and wait until they are gone.

    `roots` maps each process to the signal that it and its descendants get first. Any that still run
    0.4 seconds later are killed.
    """
    trees = {root: freeze(root) for root in roots}
    for root, tree in trees.items():
        send(tree, roots[root])
        # Children first: the pending signal ends them before they can do anything else.
        send(reversed(tree), signal.SIGCONT)
    processes = [pid for tree in trees.values() for pid in tree]
    if not _wait_until_gone(processes, _GENTLE_SECONDS):
        send(processes, signal.SIGKILL)
        _wait_until_gone(processes, _KILLED_SECONDS)


def freeze(root: int) -> list[int]:
    """Stop a process and all its descendants (SIGSTOP); return them, parents before children.

    A process group is not enough: each PostgreSQL backend has a separate session.
    """
    frozen: list[int] = []
    # A stopped process does not fork, but it may have forked just before its signal arrived.
    while fresh := [pid for pid in process_tree(root) if pid not in frozen]:
        send(fresh, signal.SIGSTOP)
        frozen += fresh
    return frozen


def send(processes: Iterable[int], signal_number: int) -> None:
    """Send a signal to each process that still exists."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def remove_directory(directory: Path) -> None:
    """Remove a server's directory, and the shared memory that a killed PostgreSQL left behind.

    A dying process can still add a file while its directory is being emptied, so the removal is repeated.
    """
    _remove_shared_memory(directory)
    deadline = time.monotonic() + _KILLED_SECONDS
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)


def running_processes(among: Iterable[int] | None = None) -> dict[int, int]:
    """Return the parent of each running process, or of those among these.

    Zombies are left out: they hold no resources.
    """
    if Path("/proc/self/stat").exists():
        if among is None:
            among = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
        return _processes_of_proc(among)
    return _processes_of_ps()


def _processes_of_proc(processes: Iterable[int]) -> dict[int, int]:
    parents = {}
    for pid in processes:
        with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            # The command's name is in parentheses and may contain any character.
            state, parent = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:2]
            if state not in {b"Z", b"X"}:
                parents[pid] = int(parent)
    return parents


def _processes_of_ps() -> dict[int, int]:
    command = ["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "stat="]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listing.splitlines())
    return {int(pid): int(parent) for pid, parent, state, *_ in rows if not state.startswith("Z")}


def process_tree(root: int) -> list[int]:
    """Return a process and all its descendants, parents before children; empty if it does not run."""
    parents = running_processes()
    tree = [root] if root in parents else []
    for ancestor in tree:  # the loop appends to it
        tree += [pid for pid, parent in parents.items() if parent == ancestor]
    return tree


def _wait_until_gone(processes: Sequence[int], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not running_processes(processes).keys().isdisjoint(processes):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _remove_shared_memory(directory: Path) -> None:
    """Remove the segment by which PostgreSQL marks its data directory as in use, if PostgreSQL did not."""
    for lock_file in directory.glob("*/postmaster.pid"):
        with contextlib.suppress(FileNotFoundError):
            # Line 7 is "key id": https://www.postgresql.org/docs/18/storage-file-layout.html
            line = lock_file.read_text().splitlines()[6:7]
            if line and len(fields := line[0].split()) == 2:
                ctypes.CDLL(None).shmctl(int(fields[1]), _IPC_RMID, None)


class Guard:
    """A guard process, and the orders that it is sent.

    Watching raises BrokenPipeError if the guard was killed, because nothing is watched any more.
    """

    def __init__(self) -> None:
        # Python's pipes are not inheritable, so none of our other children keeps this one open.
        reading_end, self._writing_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
                stdin=reading_end,
                # The guard outlives us: a program that reads our output to its end would wait for the guard.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(reading_end)

    @property
    def pid(self) -> int:
        """The guard's process."""
        return self._process.pid

    def watch_process(self, pid: int, first_signal: int) -> None:
        """Watch a process that leads a session; `first_signal` as in `end_processes`."""
        self._send_order("watch process", pid, first_signal)

    def forget_process(self, pid: int) -> None:
        """Stop watching a process. Call this as soon as it was waited for: its number may be used again."""
        with contextlib.suppress(BrokenPipeError):
            self._send_order("forget process", pid, 0)

    def watch_directory(self, directory: Path) -> None:
        """Watch a directory. Call this before it is made, so that it is never unwatched."""
        self._send_order("watch directory", str(directory), 0)

    def forget_directory(self, directory: Path) -> None:
        """Stop watching a directory. Call this once it is removed."""
        with contextlib.suppress(BrokenPipeError):
            self._send_order("forget directory", str(directory), 0)

    def finish(self) -> None:
        """Let the guard end and remove everything that it still watches, and wait for it."""
        os.close(self._writing_end)
        self._process.wait()

    def disown(self) -> None:
        """Close the pipe in a forked child, which would otherwise keep the guard waiting."""
        os.close(self._writing_end)
        # The guard is our parent's child, not ours, so we cannot wait for it.
        self._process.returncode = 0

    def _send_order(self, order: str, subject: int | str, first_signal: int) -> None:
        # A write of less than PIPE_BUF bytes is atomic, whatever other threads write.
        os.write(self._writing_end, json.dumps([order, subject, first_signal]).encode() + b"\n")


class _OnlyGuard:
    """The only guard of this process, started when it is first needed."""

    guard: Guard | None = None
    starting = threading.Lock()


def our_guard() -> Guard:
    """Return the guard of this process; the first call starts it."""
    with _OnlyGuard.starting:
        if _OnlyGuard.guard is None:
            _OnlyGuard.guard = Guard()
        return _OnlyGuard.guard


def _finish() -> None:
    if _OnlyGuard.guard is not None:
        _OnlyGuard.guard.finish()


def _disown() -> None:
    _OnlyGuard.starting = threading.Lock()
    if _OnlyGuard.guard is not None:
        _OnlyGuard.guard.disown()
        _OnlyGuard.guard = None


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
    """Return whether a process number still means a server, and was not reused for another process."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


if __name__ == "__main__":
    _main()
else:
    atexit.register(_finish)
    os.register_at_fork(after_in_child=_disown)
