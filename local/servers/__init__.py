"""Real servers for tests and `make local`: PostgreSQL 18, Valkey, and moto for the AWS services.

    with start_servers() as servers:
        servers.postgres.address, servers.valkey.address, servers.moto.endpoint_url

Each can also be started alone. They listen on 127.0.0.1 only, keep their port and directory from one start to
the next (for outages), and are gone, with their directories, as soon as the process that started them is,
however it ends (see `local.servers.guard`). Neither PostgreSQL's nor Valkey's binary knows TLS.
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
