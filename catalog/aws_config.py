"""How clients of AWS connect, wait and repeat: a black hole ends a command within a minute."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig

# An invocation answers when the function is done, which Lambda allows 15 minutes at most.
_READ_SECONDS = {"lambda": 910}
# Four times, with what is waited between, is less than a minute.
_SHORT_READ_SECONDS = 10


def client_config(service: str, *, is_emulated: bool) -> "AioConfig":
    """Return how a client of an AWS service connects, waits and repeats."""
    from aiobotocore.config import AioConfig

    return AioConfig(
        connect_timeout=3,
        read_timeout=_READ_SECONDS.get(service, _SHORT_READ_SECONDS),
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=32,
        # An emulator is on this machine, where no proxy leads.
        proxies={} if is_emulated else None,
        s3={"addressing_style": "path"} if is_emulated else {},
    )
