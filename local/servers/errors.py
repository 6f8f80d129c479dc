"""What goes wrong with a server, whichever it is."""


class ServerError(RuntimeError):
    """A server that cannot be started or used, and why."""


class PortTakenError(ServerError):
    """Another process listens on the port."""
