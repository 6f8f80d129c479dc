"""Runs a command: turns its errors into one line and an exit code."""

import asyncio
import errno
import os
import signal
import tempfile
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
from catalog.terminal_text import safe
from processor.errors import DependencyError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_WIDEST = 400
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}
)
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
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
        signal.signal(signal.SIGTERM, _as_interrupt)
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


def _as_interrupt(*_: object) -> None:
    """Do as after Ctrl-C: what is in flight ends first, and no file stays."""
    # A background job of a script ignores Ctrl-C, which is not for it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def explained(error: Exception) -> CatalogError | None:
    """Return the one line for an error, with the next step; None if it is a bug of ours."""
    cause = error.__cause__ if isinstance(error, DependencyError) else error
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        return CatalogError(
            f"no space left on the disk. Temporary files are in {tempfile.tempdir or '/tmp'}: TMPDIR names "  # noqa: S108 only said
            "another folder. What `archive sql` keeps is in ~/.cache: XDG_CACHE_HOME names another"
        )
    if isinstance(cause, ClientError):
        return _client_error(cause)
    match error:
        case CatalogError():
            return error
        case NoCredentialsError() | TokenRetrievalError() | ProfileNotFound():
            return UnreachableError("no AWS credentials: log in (`aws sso login`), or set AWS_PROFILE")
        case ResponseParserError():
            return UnreachableError(f"this is no answer of AWS; is there a proxy between? {error!s:.200}")
        case DependencyError() | BotoCoreError() | RedisError():
            return UnreachableError(safe(str(error) or type(error).__name__, _WIDEST))
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
    said, operation = error.response.get("Error", {}), error.operation_name
    code = str(said.get("Code", ""))
    if code in _EXPIRED:
        return UnreachableError("the AWS session has expired: log in again (`aws sso login`)")
    if code in _UNKNOWN:
        return UnreachableError(
            "AWS does not accept these credentials: log in (`aws sso login`), or set AWS_PROFILE"
        )
    if code in _CLOCK:
        return UnreachableError("AWS refuses this machine's time: set its clock")
    if code in _DENIED:
        return UnreachableError(
            f"not allowed: {operation}. Attach the operator's policy to your role (docs/operating.md#rights)"
        )
    if code.startswith("NoSuch"):
        return UsageError(f"{operation}: {safe(said.get('Message', code), _WIDEST)}")
    return UnreachableError(f"{operation}: {safe(error, _WIDEST)}")


async def _as_coroutine(command: Callable[[], Awaitable[int | None]]) -> int | None:
    return await command()
