"""The function, invoked with an event: on AWS by Lambda, on a kept local run in processes of this program.

The local processes run the function's own handler with its environment variables. A record that kills its
process kills only one of them, as on AWS.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from catalog.connections import Connections
from catalog.terminal_text import escaped

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, synchronous invocation"""

LOCAL_WORKERS = 2
# The function's reserved concurrency has room for one redrive beside the shards and the drain.
AWS_WORKERS = 1
_LOCAL_TIMEOUT_SECONDS = 60
_SHOWN = 300


class InvocationError(Exception):
    """The event was not done: what the function, or Lambda, answered instead.

    `is_divisible`: a part of the event may be done, because one record may be the cause. `unfinished`: the
    sequence number from which on records are left; those before it are done.
    """

    def __init__(self, message: str, *, is_divisible: bool = False, unfinished: str | None = None) -> None:
        super().__init__(message)
        self.is_divisible = is_divisible
        self.unfinished = unfinished


class Processor(Protocol):
    """The function."""

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        """Return the answer to an event, which is JSON. Raises: InvocationError."""


@asynccontextmanager
async def open_processor(connections: Connections, workers: int) -> AsyncIterator[Processor]:
    """Yield the environment's function."""
    variables = connections.environment.variables
    if variables is None:
        yield LambdaFunction(await connections.aws("lambda"), connections.environment.function_name)
        return
    local = _LocalFunction(variables, workers)
    try:
        yield local
    finally:
        local.close()


def default_workers(connections: Connections) -> int:
    """Return how many invocations run at the same time."""
    return AWS_WORKERS if connections.environment.variables is None else LOCAL_WORKERS


async def invoke_completely(processor: Processor, payload: bytes) -> dict[str, Any]:
    """Return the answer of an invocation that did all of its event.

    Raises: InvocationError: it failed, or left records unfinished.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvocationError(f"the event has {len(payload):,} bytes; Lambda takes {MAX_PAYLOAD_BYTES:,}")
    answer = await processor.invoke(payload)
    match answer:
        case {"batchItemFailures": []}:
            return answer
        case {"batchItemFailures": [{"itemIdentifier": str(first)}, *_]}:
            raise InvocationError(
                f"unfinished from sequence number {escaped(first, 130)} on: see the log", unfinished=first
            )
    raise InvocationError(f"an answer of another kind: {escaped(json.dumps(answer), _SHOWN)}")


class LambdaFunction:
    """The function of a name, by Lambda's client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        try:
            answer = await self._client.invoke(FunctionName=self._name, Payload=payload)
            body = await answer["Payload"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _PASSING:
                raise
            raise InvocationError(str(error)) from error
        except BotoCoreError as error:
            raise InvocationError(f"{type(error).__name__}: {error}") from error
        if "FunctionError" in answer:
            raise InvocationError(_error_text(body), is_divisible=True)
        decoded: dict[str, Any] = json.loads(body)
        return decoded


# They say something about this invocation. Any other, such as AccessDenied, ends the command.
_PASSING = frozenset({"TooManyRequestsException", "ServiceException", "RequestTooLargeException"})


def _error_text(body: bytes) -> str:
    try:
        error = json.loads(body)
        return escaped(f"{error.get('errorType', 'error')}: {error['errorMessage']}", _SHOWN)
    except (ValueError, KeyError, AttributeError):
        return escaped(body, _SHOWN)


class _LocalFunction:
    """Processes that run the handler; a new pool of them after one died."""

    def __init__(self, variables: Mapping[str, str], workers: int) -> None:
        self._variables = dict(variables)
        self._workers = workers
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_become_function,
            initargs=(self._variables,),
        )

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        pool = self._pool
        try:
            answer, error = await asyncio.get_running_loop().run_in_executor(pool, _handle, payload)
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._new_pool()
                pool.shutdown(wait=False)
            raise InvocationError(
                "the process died while it worked on this, or on what ran beside it", is_divisible=True
            ) from None
        if error is not None:
            raise InvocationError(error, is_divisible=True)
        return answer or {}

    def close(self) -> None:
        """End the processes, each after what it does."""
        self._pool.shutdown(cancel_futures=True)


class _Context:
    """What the handler needs of Lambda's context."""

    aws_request_id = "catalog"

    def __init__(self) -> None:
        self._deadline = time.monotonic() + _LOCAL_TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def _become_function(variables: Mapping[str, str]) -> None:
    # Ctrl-C reaches every process of the terminal; the program decides when to end these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(variables)
    # The function's log is not this program's result.
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(sink, stream.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _handle(payload: bytes) -> tuple[dict[str, Any] | None, str | None]:
    from processor.handler import handler

    try:
        return handler(json.loads(payload), _Context()), None
    except Exception as error:  # noqa: BLE001 reported as Lambda reports it
        return None, escaped(f"{type(error).__name__}: {error}", _SHOWN)
