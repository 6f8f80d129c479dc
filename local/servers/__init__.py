"""Embedded servers for tests and `make local`: PostgreSQL 18, Valkey, and moto for the AWS services.

    with start_servers() as servers:
        servers.postgres.address, servers.valkey.address, servers.moto.endpoint_url

Each can also be started alone. They listen on 127.0.0.1 only and keep their port and directory from one start
to the next, so that tests can simulate outages. They end, and their directories are removed, when the process
that started them ends, however it ends (see `local.servers.guard`). These binaries of PostgreSQL and Valkey
are built without TLS.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from local.servers.emulator import ACCOUNT_ID, AdministeredDatabase, EmulatorServer
from local.servers.errors import PortTakenError, ServerError
from local.servers.moto import MotoServer
from local.servers.postgres import PostgresAddress, PostgresServer
from local.servers.server import Server
from local.servers.valkey import ValkeyAddress, ValkeyServer

__all__ = [
    "ACCOUNT_ID",
    "AdministeredDatabase",
    "EmulatorServer",
    "MotoServer",
    "PortTakenError",
    "PostgresAddress",
    "PostgresServer",
    "Server",
    "ServerError",
    "Servers",
    "ValkeyAddress",
    "ValkeyServer",
    "start_servers",
]


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that the pipeline runs against."""

    postgres: PostgresServer
    valkey: ValkeyServer
    moto: MotoServer


@contextmanager
def start_servers() -> Iterator[Servers]:
    """Start one of each concurrently, and close them at the end of the block.

    Raises:
        ServerError: One of them cannot start; none is left running.
    """
    servers = Servers(PostgresServer(), ValkeyServer(), MotoServer())
    all_servers: tuple[Server, ...] = (servers.postgres, servers.valkey, servers.moto)
    with ExitStack() as closing:
        for server in all_servers:
            closing.callback(server.close)
        # The pool waits for every start. So no server is still starting when one fails and all are closed.
        with ThreadPoolExecutor(len(all_servers)) as threads:
            starts = [threads.submit(server.start) for server in all_servers]
        for start in starts:
            start.result()
        yield servers
