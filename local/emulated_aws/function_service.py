"""Runs a function in execution environments of its own, as Lambda does: one process each, reused."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError

PROJECT = Path(__file__).resolve().parents[2]
_LINE_BYTES = 16 * 1024 * 1024  # a 6 MB event, escaped
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """How an execution environment is started: a command, before the handler's name, and in which folder."""

    command: tuple[str, ...]
    directory: Path


THIS_CHECKOUT = Runtime((sys.executable, "-m", "local.emulated_aws.execution_environment"), PROJECT)


class LambdaService:
    """A function and its execution environments; the mapping's `Function`.

    Args:
        handler: `module:function`, called with event and context.
        environment: the function's environment variables.
        timeout_seconds: an invocation that takes longer is stopped, with its environment.
        reserved_concurrency: invocations beyond that many at once are throttled.
        new_id: makes request ids.
        on_log: gets each line the function writes.
        on_event: gets each event before it is sent.
        runtime: what runs the handler, and which code.
        freezes: environments are frozen between their invocations, as Lambda freezes them.
    """

    def __init__(
        self,
        handler: str,
        *,
        environment: Mapping[str, str],
        timeout_seconds: float,
        reserved_concurrency: int,
        new_id: Callable[[], str],
        on_log: Callable[[str], None],
        on_event: Callable[[Mapping[str, object]], None] = lambda _: None,
        runtime: Runtime = THIS_CHECKOUT,
        freezes: bool = False,
    ) -> None:
        self._handler = handler
        self._environment = dict(environment)
        self._timeout_seconds = timeout_seconds
        self._reserved_concurrency = reserved_concurrency
        self._new_id = new_id
        self._on_log = on_log
        self._on_event = on_event
        self._runtime = runtime
        self._freezes = freezes
        self._idle: list[_Environment] = []
        self._busy: set[_Environment] = set()

    async def invoke(self, event: Mapping[str, object]) -> object:
        """The function's response; see `mapping.Function`."""
        if len(self._busy) >= self._reserved_concurrency:
            raise FunctionNotReachedError("TooManyRequestsException: the reserved concurrency is used up")
        self._on_event(event)
        environment = self._idle.pop() if self._idle else _Environment(self._on_log)
        self._busy.add(environment)
        try:
            environment.thaw()
            await environment.start(self._runtime, self._handler, self._environment)
            response = await environment.ask(event, self._new_id(), self._timeout_seconds)
            self._keep(environment)
            return response
        except _AnsweredError as error:
            self._keep(environment)
            raise FunctionError(str(error)) from error
        finally:
            self._busy.discard(environment)
            if environment not in self._idle:
                await environment.stop()

    def _keep(self, environment: "_Environment") -> None:
        if self._freezes:
            environment.freeze()
        self._idle.append(environment)

    def freeze_idle(self) -> None:
        """Freeze the environments without work; an invocation thaws the one it is given."""
        for environment in self._idle:
            environment.freeze()

    def thaw(self) -> None:
        """Thaw the environments without work: what they left half done goes on."""
        for environment in self._idle:
            environment.thaw()

    def kill_busy(self) -> None:
        """Kill the environments that are working: what memory, a segmentation fault or a host may do."""
        for environment in self._busy:
            environment.kill()

    async def close(self) -> None:
        """Stop all environments."""
        environments = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(environment.stop() for environment in environments))


class _AnsweredError(Exception):
    """The function raised; its environment goes on."""


class _Environment:
    """One process."""

    def __init__(self, on_log: Callable[[str], None]) -> None:
        self._on_log = on_log
        self._process: Process | None = None
        self._logging: asyncio.Task[None] | None = None

    async def start(self, runtime: Runtime, handler: str, environment: Mapping[str, str]) -> None:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *runtime.command,
                handler,
                cwd=runtime.directory,
                env=environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_LINE_BYTES,
            )
            self._logging = asyncio.create_task(self._pass_on_logs(self._process))

    async def ask(self, event: Mapping[str, object], request_id: str, timeout_seconds: float) -> object:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        deadline_ms = time.time_ns() // 1_000_000 + int(timeout_seconds * 1000)
        request = {"event": event, "request_id": request_id, "deadline_ms": deadline_ms}
        try:
            async with asyncio.timeout(timeout_seconds):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise FunctionError(f"Task timed out after {timeout_seconds:.2f} seconds") from error
        except ConnectionError as error:
            raise FunctionError("Runtime exited before it took the event") from error
        if not line:
            raise FunctionError("Runtime exited without an answer")
        answer = json.loads(line)
        if "error" in answer:
            raise _AnsweredError("{errorType}: {errorMessage}".format(**answer["error"]))
        return answer["response"]

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self) -> None:
        process = self._process
        if process is None:
            return
        self.kill()
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        if self._logging is not None:
            await self._logging

    async def _pass_on_logs(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101 it was asked for
        while line := await process.stderr.readline():
            self._on_log(line.decode("utf-8", "replace").rstrip("\n"))
