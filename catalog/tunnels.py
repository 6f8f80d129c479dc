"""TLS through a tunnel: the server's certificate has the server's name, not that of the tunnel's end."""

import ssl
from pathlib import Path


class _ServerContext(ssl.SSLContext):
    server_name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        del server_hostname
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name, session)


def tls_context(ca_file: Path, server_name: str | None) -> ssl.SSLContext:
    """Return what verifies a certificate for `server_name`, or for the host connected to if it is None."""
    if server_name is None:
        return ssl.create_default_context(cafile=ca_file)
    context = _ServerContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    context.load_verify_locations(ca_file)
    return context
