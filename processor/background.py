"""Work that goes on whoever stops waiting for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Keeps the tasks that go on; each has a limit of its own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Do this whoever leaves meanwhile."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self, *, within_seconds: float) -> None:
        """Wait so long for what goes on, then cancel the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        await asyncio.sleep(0)  # who was cancelled just now begins something, too
        while self._tasks and (left := deadline - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        while rest := set(self._tasks):
            for task in rest:
                task.cancel()
            await asyncio.wait(rest)
