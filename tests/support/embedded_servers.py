"""Start programs that start embedded servers, and check that nothing of them is left."""

import json
import os
import pwd
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.servers.guard import process_tree, running_processes
from tests.support.polling import until

ROOT = Path(__file__).parents[2]

# Within a second, plus what a busy machine may add.
GONE_SECONDS = 3.0
START_SECONDS = 30.0

# The tests start this program and end it in every possible way.
PARENT = """
import json, os, signal, sys
from local.servers import start_servers

# As in a terminal: a shell ignores the first in what it starts with "&", and nohup the second.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with start_servers() as servers:
    all_servers = servers.postgres, servers.valkey, servers.moto
    print(json.dumps({
        "dsn": servers.postgres.address.dsn,
        "ports": [server.port for server in all_servers],
        "directories": [str(server.directory) for server in all_servers],
    }), flush=True)
    for order in sys.stdin:
        match order.strip():
            case "leave": break
            case "fail": raise SystemExit("as requested")
            case "vanish": os._exit(0)
            case "pause":
                for server in all_servers:
                    server.pause()
                print("paused", flush=True)
"""


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class Family:
    """A parent of servers: all processes below it, and its servers' ports and directories."""

    parent: "subprocess.Popen[str]"
    processes: list[int]
    ports: list[int]
    directories: list[Path]
    dsn: str


class StartParent(Protocol):
    def __call__(self, user: str | None = None, *, first_on_path: Path = ROOT) -> "subprocess.Popen[str]": ...


def open_parent(
    place: Path, user: str | None = None, *, first_on_path: Path = ROOT
) -> "subprocess.Popen[str]":
    """Start the parent; its servers' directories are in `place`."""
    path = os.pathsep.join((str(first_on_path), str(ROOT), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Not the project's directory: nothing may depend on it.
        cwd="/",
        env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(place)},
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        start_new_session=True,
    )


def read_line(parent: "subprocess.Popen[str]") -> str:
    assert parent.stdout is not None
    return parent.stdout.readline()


def send_line(parent: "subprocess.Popen[str]", order: str) -> None:
    assert parent.stdin is not None
    parent.stdin.write(order + "\n")
    parent.stdin.flush()


def family_of(parent: "subprocess.Popen[str]") -> Family:
    report = json.loads(read_line(parent))
    directories = [Path(directory) for directory in report["directories"]]
    return Family(parent, process_tree(parent.pid), report["ports"], directories, report["dsn"])


def assert_gone(family: Family, place: Path) -> None:
    """Check that all is gone in time: processes (the guard too), ports, directories, shared memory."""
    until(
        # Looking at every process of the machine would take time from those that we wait for.
        lambda: not running_processes(family.processes) and not any(place.iterdir()),
        "processes and directories are gone",
        GONE_SECONDS,
    )
    assert not any(is_open(port) for port in family.ports)
    assert not any(directory.exists() for directory in family.directories)
    assert not set(shared_memory_creators()) & set(family.processes)


def nobody_can_run_python() -> bool:
    command = [sys.executable, "-c", "import encodings"]
    try:
        subprocess.run(command, user="nobody", cwd="/", capture_output=True, check=True)  # noqa: S603
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def shared_memory_creators() -> list[int]:
    table = Path("/proc/sysvipc/shm")
    if not table.exists():
        return []
    header, *rows = (line.split() for line in table.read_text().splitlines())
    return [int(row[header.index("cpid")]) for row in rows]
