"""The errors of every server."""


class ServerError(RuntimeError):
    """A server cannot be started or used; the message says why."""


class PortTakenError(ServerError):
    """Another process listens on the port."""
