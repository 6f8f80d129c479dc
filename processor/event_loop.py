"""An event loop on which a name that cannot be resolved holds up nothing but who asks for it."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

Resolve: TypeAlias = Callable[..., Any]


# A resolver that answers at all has done so by then; with several servers to ask, it may take longer.
PATIENCE_SECONDS = 2.0
# What hangs is never ended, only kept few.
MOST_THREADS = 4


@dataclass(slots=True)
class _Name:
    """What is known of one name: the answer that is waited for, and the threads that look it up.

    `newest`: the number of the thread that was started last, at `started_at` of the loop's time.
    """

    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any] | None" = None
    threads: int = 0
    newest: int = 0
    started_at: float = 0.0


class Lookups:
    """Looks names up on daemon threads of its own, as a rule one a name however many ask for it.

    asyncio does it on the loop's default threads, of which there are few: a name whose resolver hangs takes
    one at each try, and keeps it long after the try was given up, until compression and the other services'
    names find none. At the end of the process, those threads are waited for, too.

    Who waits longer than `patience_seconds` starts another thread, up to `MOST_THREADS` a name: the first
    that finds the name answers all. An error counts only from the newest one: an older one may have asked
    before the resolver was well again.

    `resolve`: as `socket.getaddrinfo`, which is the default.
    """

    def __init__(self, resolve: Resolve | None = None, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._resolve = resolve
        self._patience_seconds = patience_seconds
        self._names: dict[tuple[object, ...], _Name] = {}

    async def find(self, *name: object) -> Any:
        """What `resolve` answers to these arguments; cancelled, the lookup goes on for others."""
        loop = asyncio.get_running_loop()
        known = self._names.get(name)
        if known is None or known.loop is not loop:  # a loop that was closed hears no answer
            known = self._names[name] = _Name(loop)
        answer = known.answer
        if answer is None:
            answer = known.answer = loop.create_future()
            self._start(name, known)
        while not answer.done():
            if loop.time() - known.started_at >= self._patience_seconds:
                self._start(name, known)
            await asyncio.wait([answer], timeout=self._patience_seconds)
        return answer.result()

    def _start(self, name: tuple[object, ...], known: _Name) -> None:
        if known.threads >= MOST_THREADS:
            return
        number = known.newest + 1
        thread = threading.Thread(
            target=self._look_up, args=(name, known, number), name="name lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # no more threads can be had
            if not known.threads:
                self._settle(name, known, None, OSError(f"no thread to look {name[0]} up: {error}"))
            return
        known.threads += 1
        known.newest, known.started_at = number, known.loop.time()

    def _look_up(self, name: tuple[object, ...], known: _Name, number: int) -> None:
        resolve: Resolve = self._resolve or socket.getaddrinfo
        try:
            found, error = resolve(*name), None
        except Exception as failure:  # noqa: BLE001 raised where it is waited for
            found, error = None, failure
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
            known.loop.call_soon_threadsafe(self._end, name, known, number, found, error)

    def _end(
        self, name: tuple[object, ...], known: _Name, number: int, found: object, error: Exception | None
    ) -> None:
        known.threads -= 1
        if error is None or number == known.newest:
            self._settle(name, known, found, error)

    def _settle(self, name: tuple[object, ...], known: _Name, found: object, error: Exception | None) -> None:
        answer, known.answer = known.answer, None
        if answer is not None and error is not None:
            answer.set_exception(error)
            answer.exception()  # it may be that nobody waits any more
        elif answer is not None:
            answer.set_result(found)
        if not known.threads and self._names.get(name) is known:
            del self._names[name]


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own, but for how it looks names up: see `Lookups`."""

    def __init__(self, resolve: Resolve | None = None, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__()
        self._lookups = Lookups(resolve, patience_seconds=patience_seconds)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 asyncio's word
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """The addresses, as `socket.getaddrinfo` gives them."""
        return await self._lookups.find(host, port, family, type, proto, flags)
