"""Errors as text for the log."""

import asyncio
import errno
import socket
import ssl

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from processor.errors import DependencyError, reason_of

NOT_VERIFIED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


def refused() -> OSError:
    """Return the system's error for a port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        try:
            socket.create_connection(taken.getsockname())
        except OSError as error:
            return error
    raise AssertionError


def refused_by_loop() -> OSError:
    """Return asyncio's error for it."""

    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", refused_port())

    def refused_port() -> int:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return int(taken.getsockname()[1])

    try:
        asyncio.run(connect())
    except OSError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            NOT_VERIFIED,
            "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
        ),
        (refused(), f"ConnectionRefusedError: [Errno {errno.ECONNREFUSED}] Connection refused"),
        (refused_by_loop(), f"ConnectionRefusedError: [Errno {errno.ECONNREFUSED}] Connect call failed"),
        (socket.gaierror(-2, "Name or service not known"), "gaierror: [Errno -2] Name or service not known"),
        (TimeoutError(), "TimeoutError: no answer within the time left"),
        (
            RedisConnectionError("Connection closed by server."),
            "ConnectionError: Connection closed by server.",
        ),
        (DependencyError("the database is away"), "DependencyError: the database is away"),
        (KeyError(5), "KeyError: 5"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_has_its_type_and_message(error: Exception, words: str) -> None:
    assert reason_of(error).startswith(words)


def test_a_database_error_quotes_no_row() -> None:
    error = asyncpg.CheckViolationError("new row violates a check")
    error.detail = "Failing row contains (secret)"
    assert reason_of(error) == "CheckViolationError: new row violates a check"
