"""Runs a command: turns its errors into one line and an exit code."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable

import asyncpg
import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from redis.exceptions import RedisError

from catalog.connections import Connections, connect
from catalog.console import Output
from catalog.errors import INTERRUPTED, CatalogError, UnreachableError, UsageError
from catalog.objects import cut_off
from processor.errors import DependencyError

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


def run(
    environment: str | None, output: Output, command: Callable[[Connections], Awaitable[int | None]]
) -> None:
    """Connect to the environment and run the command; exit with the code it returns (None: 0)."""

    async def connected() -> int | None:
        async with connect(environment) as connections:
            return await command(connections)

    run_alone(output, connected)


def run_alone(output: Output, command: Callable[[], Awaitable[int | None]]) -> None:
    """Run a command that needs no environment."""
    if threading.current_thread() is threading.main_thread():
        # As Ctrl-C: what is in flight ends first, and no file stays.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        code = asyncio.run(_as_coroutine(command)) or 0
    except KeyboardInterrupt:
        output.say("interrupted. To go on, run it again; `catalog history` has what was changed.")
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe, such as head, has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        output.say(f"error: {told}")
        code = told.exit_code
    raise typer.Exit(code)


def explained(error: Exception) -> CatalogError | None:
    """Return the one line for an error, with the next step; None if it is a bug of ours."""
    match error:
        case CatalogError():
            return error
        case NoCredentialsError() | TokenRetrievalError() | ProfileNotFound():
            return UnreachableError("no AWS credentials: log in (`aws sso login`), or set AWS_PROFILE")
        case ClientError():
            return _client_error(error)
        case ResponseParserError():
            return UnreachableError(f"this is no answer of AWS; is there a proxy between? {error!s:.200}")
        case DependencyError() | BotoCoreError() | RedisError():
            return UnreachableError(str(error) or type(error).__name__)
        case asyncpg.InterfaceError() | asyncpg.PostgresConnectionError():
            return UnreachableError(f"the connection to the database was lost: run it again ({error})")
        case TimeoutError():
            return UnreachableError("the database does not answer: `catalog status` says what it can of it")
        case asyncpg.PostgresError() | OSError():
            return UnreachableError(f"{type(error).__name__}: {error}")
        case _:
            return _rare(error)


def _rare(error: Exception) -> CatalogError | None:
    if isinstance(error, ValueError) and str(error).startswith("Invalid endpoint: "):
        return UsageError(f"AWS_ENDPOINT_URL: {error}; a URL such as https://… is accepted")
    if isinstance(error, cut_off()):
        return UnreachableError(f"an answer of AWS was cut off: run it again ({type(error).__name__})")
    return None


def _client_error(error: ClientError) -> CatalogError:
    code, operation = error.response["Error"]["Code"], error.operation_name
    if code in _EXPIRED:
        return UnreachableError("the AWS session has expired: log in again (`aws sso login`)")
    if code in _DENIED:
        return UnreachableError(
            f"not allowed: {operation}. Attach the operator's policy to your role (docs/operating.md#rights)"
        )
    if code.startswith("NoSuch"):
        return UsageError(f"{operation}: {error.response['Error'].get('Message', code)}")
    return UnreachableError(f"{operation}: {error}")


async def _as_coroutine(command: Callable[[], Awaitable[int | None]]) -> int | None:
    return await command()
