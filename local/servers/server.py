"""The base class of every server: start, stop, kill, pause and close."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

from local.servers.directories import make_directory, server_user
from local.servers.errors import PortTakenError, ServerError
from local.servers.guard import end_processes, freeze, our_guard, remove_directory, send
from local.servers.launching import launch, wait_for
from local.servers.loopback import HOST, free_port

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0
_LOG_LINES = 15


class Server(ABC):
    """One server process, with a directory and a loopback port that it keeps until `close`.

    Not thread-safe. Every method blocks; from a coroutine, use `asyncio.to_thread`.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    _abandon_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, *, start_timeout_seconds: float = 30.0) -> None:
        self._start_timeout_seconds = start_timeout_seconds
        self._user = server_user() if self._refuses_root() else None
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self._port: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port; it stays the same from the first start until `close`."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def pid(self) -> int:
        """The running server's process, the leader of its session and process group."""
        return self._running().pid

    @property
    def directory(self) -> Path:
        """The directory of the server's data and log; removed by `close`."""
        if self._directory is None:
            raise ServerError(f"{self.name} has no directory before its first start")
        return self._directory

    @property
    def log_path(self) -> Path:
        """The file with the server's output since its first start."""
        return self.directory / "server.log"

    @property
    def is_running(self) -> bool:
        """Whether there is a process, paused or not."""
        if self._process is not None and self._process.poll() is not None:
            self._forget(self._process)
        return self._process is not None

    def start(self) -> None:
        """Start the server and return once it answers: first on a free port, later on the same one.

        Raises:
            PortTakenError: Another process took the port.
            ServerError: It cannot start, or does not answer in time; with the last lines of its log.
        """
        if self.is_running:
            raise ServerError(f"{self.name} is running already")
        if self._port is not None:
            self._start_on(self._port)
            return
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._directory = make_directory(self.name, self._user)
            self._prepare()
            self._start_on_a_free_port()
            on_failure.pop_all()

    def stop(self) -> None:
        """Ask the server to end, as an operator would; kill it after 10 seconds. Its data stays."""
        if not self.is_running:
            return
        process = self._running()
        self.resume()
        process.send_signal(self._stop_signal)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end_processes({process.pid: signal.SIGKILL})
        self._forget(process)

    def kill(self) -> None:
        """Kill every process of the server, as `kill -9` does. Its data stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop every process of the server (SIGSTOP): connections stay open and get no answer."""
        freeze(self.pid)

    def resume(self) -> None:
        """Let a paused server continue."""
        send(reversed(freeze(self.pid)), signal.SIGCONT)

    def close(self) -> None:
        """End the server and remove its directory; do nothing if there is none."""
        self._end(self._abandon_signal)
        if self._directory is not None:
            remove_directory(self._directory)
            our_guard().forget_directory(self._directory)
        self._directory = self._port = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if not self.is_running or self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process

    def _forget(self, process: "subprocess.Popen[bytes]") -> None:
        wait_for(process)
        self._process = None

    def _end(self, first_signal: signal.Signals) -> None:
        if self.is_running:
            process = self._running()
            end_processes({process.pid: first_signal})
            self._forget(process)

    def _start_on_a_free_port(self) -> None:
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            port = free_port()
            try:
                self._start_on(port)
            except PortTakenError:
                if not attempts_left:
                    raise
            else:
                self._port = port
                return

    def _start_on(self, port: int) -> None:
        before = self.log_path.stat().st_size if self.log_path.exists() else 0
        deadline = time.monotonic() + self._start_timeout_seconds
        self._process = self._launch(self._command(port), self._abandon_signal)
        # The server's log confirms that it is this server, not another one, that answers on the port.
        while not (self._listening_line(port) in self._log_since(before) and self._answers(port)):
            if not self.is_running:
                raise self._failure(port, before, "ended while it started")
            if time.monotonic() >= deadline:
                self.kill()
                raise self._failure(port, before, f"did not answer within {self._start_timeout_seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def _launch(self, command: list[str], first_signal: signal.Signals) -> "subprocess.Popen[bytes]":
        """Start a process that the guard watches before it does anything."""
        return launch(
            command,
            log_path=self.log_path,
            directory=self.directory,
            environment=self._environment(),
            user=self._user,
            first_signal=first_signal,
        )

    def _log_since(self, offset: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def _failure(self, port: int, before: int, what: str) -> ServerError:
        log = self._log_since(before)
        kind = PortTakenError if "Address already in use" in log else ServerError
        last_lines = "\n".join(log.splitlines()[-_LOG_LINES:]) or "(nothing)"
        return kind(f"{self.name} on {HOST}:{port} {what}; the end of its log:\n{last_lines}")

    def _refuses_root(self) -> bool:
        return False

    def _prepare(self) -> None:
        """Prepare the new directory before the first start."""
        return

    def _environment(self) -> dict[str, str]:
        return _environment_without(("PG", "AWS_")) | {"LC_ALL": "C"}

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _listening_line(self, port: int) -> str:
        """Return the text that is in the server's log once it listens."""

    @abstractmethod
    def _answers(self, port: int) -> bool: ...


def _environment_without(prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
