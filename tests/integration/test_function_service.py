"""Execution environments: reused, killed at the timeout, frozen between invocations."""

import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from local.emulated_aws.event_source_mapping import FunctionError
from local.emulated_aws.function_service import THIS_CHECKOUT, FunctionService, Launch
from reliability.real.containers import ForkedLaunch
from tests.support.real_servers import until

_IDLE = {"do": "answer"}


@asynccontextmanager
async def service(
    on_log: Callable[[str], None] = lambda _: None,
    *,
    timeout_seconds: float = 20.0,
    freezes: bool = False,
    starts_another: bool = False,
    launch: Launch = THIS_CHECKOUT,
) -> AsyncIterator[FunctionService]:
    function = FunctionService(
        "tests.support.scripted_function:handler",
        variables={},
        timeout_seconds=timeout_seconds,
        reserved_concurrency=2,
        new_id=lambda: str(uuid.uuid4()),
        on_log=on_log,
        freezes=freezes,
        starts_another=lambda: starts_another,
        launch=launch,
    )
    try:
        yield function
    finally:
        await function.close()


def state(pid: object) -> str:
    """Return the process's state from `ps`: T is stopped; empty if there is no process."""
    command = ["ps", "-o", "state=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


async def is_frozen(pid: object) -> bool:
    return state(pid).startswith("T")


async def is_awake(pid: object) -> bool:
    return state(pid)[:1] in {"S", "R"}


async def test_an_environment_is_used_again_even_after_an_error() -> None:
    async with service() as function:
        pid = await function.invoke(_IDLE)
        with pytest.raises(FunctionError, match="ValueError: as requested"):
            await function.invoke({"do": "raise"})
        assert await function.invoke(_IDLE) == pid


async def test_at_the_timeout_the_environment_is_killed_and_the_next_is_a_new_one() -> None:
    logged: list[str] = []
    async with service(logged.append, timeout_seconds=2.0) as function:
        pid = await function.invoke(_IDLE)
        with pytest.raises(FunctionError, match="Task timed out"):
            await function.invoke({"do": "hang"})
        assert logged == [str(pid)] * 2
        assert state(pid) == ""
        assert await function.invoke(_IDLE) != pid


async def test_a_frozen_environment_waits_until_it_is_thawed_or_invoked() -> None:
    async with service() as function:
        pid = await function.invoke(_IDLE)
        function.freeze_idle()
        await until(lambda: is_frozen(pid))
        function.thaw()
        await until(lambda: is_awake(pid))
        function.freeze_idle()
        assert await function.invoke(_IDLE) == pid


async def test_environments_can_freeze_after_every_invocation() -> None:
    async with service(freezes=True) as function:
        pid = await function.invoke(_IDLE)
        await until(lambda: is_frozen(pid))
        with pytest.raises(FunctionError, match="as requested"):
            await function.invoke({"do": "raise"})
        await until(lambda: is_frozen(pid))
        assert await function.invoke(_IDLE) == pid
    assert state(pid) == ""


async def test_another_environment_may_start_though_one_is_idle() -> None:
    async with service(starts_another=True) as function:
        pids = [await function.invoke(_IDLE) for _ in range(3)]
        assert pids[0] != pids[1]  # and no more than there may be
        assert pids[2] in pids[:2]


async def test_forked_environments_log_answer_are_killed_and_leave_nothing() -> None:
    logged: list[str] = []
    async with service(logged.append, timeout_seconds=10.0, launch=ForkedLaunch()) as function:
        pid = await function.invoke(_IDLE)
        assert await function.invoke(_IDLE) == pid
        function.idle[0].kill()
        with pytest.raises(FunctionError, match="Runtime exited"):
            await function.invoke(_IDLE)
        other = await function.invoke(_IDLE)
        assert logged == [str(pid)] * 2 + [str(other)]
    assert (state(pid), state(other)) == ("", "")
