"""Execution environments forked from a process that has imported everything, for short cold starts."""

import asyncio
import importlib
import os
from collections.abc import Mapping
from multiprocessing import forkserver, get_context, reduction
from multiprocessing.context import ForkServerProcess
from typing import Any

from local.emulated_aws.execution_environment import serve
from local.emulated_aws.function_service import LINE_BYTES, Running
from local.servers.guard import our_guard

_CONTEXT = get_context("forkserver")
# The last one imports aioboto3, which takes a second.
_CONTEXT.set_forkserver_preload(
    ["reliability.real.containers", "processor.handler", "processor.adapters.checked_session"]
)
_POLL_SECONDS = 0.02


def prepare() -> None:
    """Start the process that is forked."""
    forkserver.ensure_running()


class ForkedLaunch:
    """Starts execution environments; see `function_service.Launch`."""

    async def start(self, handler: str, variables: Mapping[str, str]) -> Running:
        requests, our_requests = os.pipe()
        our_responses, responses = os.pipe()
        our_log, log = os.pipe()
        child = _CONTEXT.Process(
            target=_main, args=(_Ends(requests, responses, log), handler, dict(variables))
        )
        child.start()
        for end in (requests, responses, log):
            os.close(end)
        our_guard().watch_process(_pid(child), 9)
        return Running(
            _Forked(child), await _writer(our_requests), await _reader(our_responses), await _reader(our_log)
        )


class _Ends:
    """The child's ends of three pipes, on their way to it."""

    def __init__(self, *ends: int) -> None:
        self._ends = ends

    def __reduce__(self) -> tuple[Any, ...]:
        return _ends_of, tuple(reduction.DupFd(end) for end in self._ends)


def _ends_of(*passed: Any) -> list[int]:
    return [one.detach() for one in passed]


def _main(ends: list[int], handler: str, variables: Mapping[str, str]) -> None:
    requests, responses, log = ends
    os.setsid()  # as the guard knows its processes
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(variables)
    module, _, function = handler.partition(":")
    with os.fdopen(requests, "rb") as lines, os.fdopen(responses, "wb") as answers:
        serve(getattr(importlib.import_module(module), function), lines, answers)


class _Forked:
    """A child of the fork server."""

    def __init__(self, child: ForkServerProcess) -> None:
        self._child = child
        self.pid = _pid(child)

    def send_signal(self, signal: int) -> None:
        if self._child.is_alive():
            os.kill(self.pid, signal)

    async def wait(self) -> None:
        """Return when it has ended; nobody tells, since it is the fork server's child."""
        while self._child.is_alive():  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        our_guard().forget_process(self.pid)


def _pid(child: ForkServerProcess) -> int:
    if child.pid is None:
        raise RuntimeError("the fork server started no process")
    return child.pid


async def _reader(end: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(end, "rb")
    )
    return reader


async def _writer(end: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(end, "wb")
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
