"""The loopback address that every server listens on: find a free port, and probe one."""

import secrets
import socket
from contextlib import suppress

from local.servers.errors import ServerError

HOST = "127.0.0.1"

# Below the ports that systems use for outgoing connections. From one of those, a client that keeps retrying a
# stopped server could connect to itself and so occupy the server's port.
_PORTS = range(20_000, 32_000)
PROBE_SECONDS = 1.0


def free_port() -> int:
    """Return a loopback port that nothing listens on, outside the range of outgoing connections.

    Another process can take it before the caller does.
    """
    for _ in range(len(_PORTS)):
        port = secrets.choice(_PORTS)
        with socket.socket() as candidate, suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((HOST, port))
            return port
    raise ServerError(f"no free port on {HOST} from {_PORTS.start} to {_PORTS.stop - 1}")


def probe(port: int, request: bytes) -> bytes:
    """Return the first bytes of the answer to `request`, or none if there is no answer."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=PROBE_SECONDS) as connection:
        connection.sendall(request)
        return connection.recv(64)
    return b""
