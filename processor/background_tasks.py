"""Tasks that continue when the caller stops waiting for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Keeps references to running tasks; each limits its own time."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a task that is not cancelled with its caller."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self, *, within_seconds: float) -> None:
        """Wait for the tasks within this time, then cancel the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        await asyncio.sleep(0)  # a caller that was just cancelled may start one more
        while self._tasks and (left := deadline - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        while rest := set(self._tasks):
            for task in rest:
                task.cancel()
            await asyncio.wait(rest)
