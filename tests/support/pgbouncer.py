"""PgBouncer, if the machine has it: a connection pooler between the processor and its database."""

import shutil
from pathlib import Path

from local.servers import PostgresAddress
from local.servers.directories import give_to
from local.servers.loopback import HOST, probe
from local.servers.server import Server
from tests.support.real_servers import PASSWORD

# Debian and macOS install it in a directory that is only on an administrator's PATH.
BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
_ROLE = "inventory_processor"


class PgBouncer(Server):
    """A pooler in front of a database, by default with one connection to it.

    `pool_mode`: "session" or "transaction".
    """

    name = "PgBouncer"

    def __init__(self, database: PostgresAddress, *, pool_mode: str, pool_size: int = 1) -> None:
        super().__init__()
        self._database = database
        self._pool_mode = pool_mode
        self._pool_size = pool_size

    def _refuses_root(self) -> bool:
        return True

    def _command(self, port: int) -> list[str]:
        assert BINARY is not None
        settings = self.directory / "pgbouncer.ini"
        database = self._database
        settings.write_text(
            f"""
[databases]
{database.database} = host={database.host} port={database.port} user={_ROLE} password={PASSWORD}
[pgbouncer]
listen_addr = {HOST}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {self._pool_mode}
default_pool_size = {self._pool_size}
query_wait_timeout = 5
"""
        )
        give_to(self._user, Path(settings))
        return [BINARY, str(settings)]

    def _listening_line(self, port: int) -> str:
        return f"listening on {HOST}:{port}"

    def _answers(self, port: int) -> bool:
        # A request for TLS, which it refuses with one byte.
        return probe(port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f").startswith(b"N")
