"""Run a function in separate execution environments, as Lambda does: one process each, reused."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError

PROJECT = Path(__file__).resolve().parents[2]
LINE_BYTES = 16 * 1024 * 1024  # a 6 MB event, escaped
_STOP_SECONDS = 5.0


class RunningProcess(Protocol):
    """What an execution environment needs of its process."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, signal: int) -> None:
        """Send a signal. Raises: ProcessLookupError."""

    async def wait(self) -> object:
        """Wait until it has ended."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process, the pipes to and from it, and its log."""

    process: RunningProcess
    requests: asyncio.StreamWriter
    responses: asyncio.StreamReader
    log: asyncio.StreamReader


class Launch(Protocol):
    """What starts execution environments."""

    async def start(self, handler: str, variables: Mapping[str, str]) -> Running:
        """Start one that runs the handler with these environment variables."""


@dataclass(frozen=True, slots=True)
class LaunchCommand:
    """The command that starts an execution environment, without the handler's name, and its directory."""

    command: tuple[str, ...]
    directory: Path

    async def start(self, handler: str, variables: Mapping[str, str]) -> Running:
        process = await asyncio.create_subprocess_exec(
            *self.command,
            handler,
            cwd=self.directory,
            env=variables,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=LINE_BYTES,
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("asyncio started a process without the requested pipes")
        return Running(process, process.stdin, process.stdout, process.stderr)


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
        starts_another: asked whether to start one though others are idle, as Lambda may.
        grace_seconds: how much later an invocation is stopped than its context says.
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
        launch: Launch = THIS_CHECKOUT,
        freezes: bool = False,
        starts_another: Callable[[], bool] = lambda: False,
        grace_seconds: float = 0.0,
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
        self._starts_another = starts_another
        self._grace_seconds = grace_seconds
        self.idle: list[ExecutionEnvironment] = []
        self.busy: set[ExecutionEnvironment] = set()

    async def invoke(self, event: Mapping[str, object]) -> object:
        """Return the function's response; see `event_source_mapping.Function`."""
        if len(self.busy) >= self._reserved_concurrency:
            raise FunctionNotReachedError("TooManyRequestsException: the reserved concurrency is used up")
        self._on_event(event)
        environment = self._free()
        self.busy.add(environment)
        try:
            environment.thaw()
            response = await environment.invoke(
                event, self._new_id(), self._timeout_seconds, self._grace_seconds
            )
            self._keep(environment)
            return response
        except _RaisedError as error:
            self._keep(environment)
            raise FunctionError(str(error)) from error
        finally:
            self.busy.discard(environment)
            if environment not in self.idle:
                await environment.stop()

    def _free(self) -> "ExecutionEnvironment":
        has_room = len(self.idle) + len(self.busy) < self._reserved_concurrency
        if self.idle and not (has_room and self._starts_another()):
            return self.idle.pop()
        return ExecutionEnvironment(self._launch, self._handler, self._variables, self._on_log)

    def _keep(self, environment: "ExecutionEnvironment") -> None:
        if self._freezes:
            environment.freeze()
        self.idle.append(environment)

    def freeze_idle(self) -> None:
        """Freeze the idle execution environments; an invocation thaws the one that it uses."""
        for environment in self.idle:
            environment.freeze()

    def thaw(self) -> None:
        """Thaw the idle execution environments, so that their unfinished work continues."""
        for environment in self.idle:
            environment.thaw()

    def kill_busy(self) -> None:
        """Kill the busy execution environments, as a lack of memory, a segmentation fault or a host may."""
        for environment in self.busy:
            environment.kill()

    async def close(self) -> None:
        """Stop all execution environments."""
        environments = [*self.idle, *self.busy]
        self.idle.clear()
        await asyncio.gather(*(environment.stop() for environment in environments))


class _RaisedError(Exception):
    """The function raised an exception; its execution environment can be used again."""


class ExecutionEnvironment:
    """One process, started by the first invocation."""

    def __init__(
        self, launch: Launch, handler: str, variables: Mapping[str, str], on_log: Callable[[str], None]
    ) -> None:
        self._launch = launch
        self._handler = handler
        self._variables = variables
        self._on_log = on_log
        self._running: Running | None = None
        self._logging: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process; None before it is started."""
        return None if self._running is None else self._running.process.pid

    async def invoke(
        self, event: Mapping[str, object], request_id: str, timeout_seconds: float, grace_seconds: float
    ) -> object:
        running = self._running or await self._start()
        deadline_ms = time.time_ns() // 1_000_000 + int(timeout_seconds * 1000)
        request = {"event": event, "request_id": request_id, "deadline_ms": deadline_ms}
        try:
            async with asyncio.timeout(timeout_seconds + grace_seconds):
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

    async def _start(self) -> Running:
        self._running = running = await self._launch.start(self._handler, self._variables)
        self._logging = asyncio.create_task(self._pass_on_logs(running.log))
        return running

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
        if self._running is None or self._logging is None:
            return
        self.kill()
        await asyncio.wait_for(self._running.process.wait(), _STOP_SECONDS)
        await self._logging

    async def _pass_on_logs(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            self._on_log(line.decode("utf-8", "replace").rstrip("\n"))
