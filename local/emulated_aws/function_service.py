"""Run a function in separate execution environments, as Lambda does: one process each, reused."""

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
class LaunchCommand:
    """The command that starts an execution environment, without the handler's name, and its directory."""

    command: tuple[str, ...]
    directory: Path


THIS_CHECKOUT = LaunchCommand((sys.executable, "-m", "local.emulated_aws.execution_environment"), PROJECT)


class FunctionService:
    """A function and its execution environments; the mapping's `Function`.

    Args:
        handler: `module:function`, called with event and context.
        variables: the function's environment variables.
        timeout_seconds: a longer invocation is stopped, and its execution environment with it.
        reserved_concurrency: more concurrent invocations than this are throttled.
        new_id: makes request ids.
        on_log: called with each line that the function writes.
        on_event: called with each event before it is sent.
        launch: what runs the handler, and which code.
        freezes: execution environments are frozen between invocations, as Lambda freezes them.
    """

    def __init__(
        self,
        handler: str,
        *,
        variables: Mapping[str, str],
        timeout_seconds: float,
        reserved_concurrency: int,
        new_id: Callable[[], str],
        on_log: Callable[[str], None],
        on_event: Callable[[Mapping[str, object]], None] = lambda _: None,
        launch: LaunchCommand = THIS_CHECKOUT,
        freezes: bool = False,
    ) -> None:
        self._handler = handler
        self._variables = dict(variables)
        self._timeout_seconds = timeout_seconds
        self._reserved_concurrency = reserved_concurrency
        self._new_id = new_id
        self._on_log = on_log
        self._on_event = on_event
        self._launch = launch
        self._freezes = freezes
        self._idle: list[_ExecutionEnvironment] = []
        self._busy: set[_ExecutionEnvironment] = set()

    async def invoke(self, event: Mapping[str, object]) -> object:
        """Return the function's response; see `event_source_mapping.Function`."""
        if len(self._busy) >= self._reserved_concurrency:
            raise FunctionNotReachedError("TooManyRequestsException: the reserved concurrency is used up")
        self._on_event(event)
        environment = self._idle.pop() if self._idle else self._new_environment()
        self._busy.add(environment)
        try:
            environment.thaw()
            response = await environment.invoke(event, self._new_id(), self._timeout_seconds)
            self._keep(environment)
            return response
        except _RaisedError as error:
            self._keep(environment)
            raise FunctionError(str(error)) from error
        finally:
            self._busy.discard(environment)
            if environment not in self._idle:
                await environment.stop()

    def _new_environment(self) -> "_ExecutionEnvironment":
        return _ExecutionEnvironment(self._launch, self._handler, self._variables, self._on_log)

    def _keep(self, environment: "_ExecutionEnvironment") -> None:
        if self._freezes:
            environment.freeze()
        self._idle.append(environment)

    def freeze_idle(self) -> None:
        """Freeze the idle execution environments; an invocation thaws the one that it uses."""
        for environment in self._idle:
            environment.freeze()

    def thaw(self) -> None:
        """Thaw the idle execution environments, so that their unfinished work continues."""
        for environment in self._idle:
            environment.thaw()

    def kill_busy(self) -> None:
        """Kill the busy execution environments, as a lack of memory, a segmentation fault or a host may."""
        for environment in self._busy:
            environment.kill()

    async def close(self) -> None:
        """Stop all execution environments."""
        environments = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(environment.stop() for environment in environments))


class _RaisedError(Exception):
    """The function raised an exception; its execution environment can be used again."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A process, the pipes to and from it, and the task that passes its log lines on."""

    process: Process
    requests: asyncio.StreamWriter
    responses: asyncio.StreamReader
    logging: asyncio.Task[None]


class _ExecutionEnvironment:
    """One process, started by the first invocation."""

    def __init__(
        self, launch: LaunchCommand, handler: str, variables: Mapping[str, str], on_log: Callable[[str], None]
    ) -> None:
        self._launch = launch
        self._handler = handler
        self._variables = variables
        self._on_log = on_log
        self._running: _Running | None = None

    async def invoke(self, event: Mapping[str, object], request_id: str, timeout_seconds: float) -> object:
        running = self._running or await self._start()
        deadline_ms = time.time_ns() // 1_000_000 + int(timeout_seconds * 1000)
        request = {"event": event, "request_id": request_id, "deadline_ms": deadline_ms}
        try:
            async with asyncio.timeout(timeout_seconds):
                running.requests.write(json.dumps(request).encode() + b"\n")
                await running.requests.drain()
                line = await running.responses.readline()
        except TimeoutError as error:
            raise FunctionError(f"Task timed out after {timeout_seconds:.2f} seconds") from error
        except ConnectionError as error:
            raise FunctionError("Runtime exited before it took the event") from error
        if not line:
            raise FunctionError("Runtime exited without a response")
        answer = json.loads(line)
        if "error" in answer:
            raise _RaisedError("{errorType}: {errorMessage}".format(**answer["error"]))
        return answer["response"]

    async def _start(self) -> _Running:
        process = await asyncio.create_subprocess_exec(
            *self._launch.command,
            self._handler,
            cwd=self._launch.directory,
            env=self._variables,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE_BYTES,
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("asyncio started a process without the requested pipes")
        logging = asyncio.create_task(self._pass_on_logs(process.stderr))
        self._running = _Running(process, process.stdin, process.stdout, logging)
        return self._running

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._running is not None:
            with suppress(ProcessLookupError):
                self._running.process.send_signal(number)

    async def stop(self) -> None:
        if self._running is None:
            return
        self.kill()
        await asyncio.wait_for(self._running.process.wait(), _STOP_SECONDS)
        await self._running.logging

    async def _pass_on_logs(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            self._on_log(line.decode("utf-8", "replace").rstrip("\n"))
