"""An event loop on which a host name that cannot be resolved delays only those who look it up."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

Resolve: TypeAlias = Callable[..., Any]


# By then a resolver that works has answered; with several servers to query, it may take longer.
PATIENCE_SECONDS = 2.0
# Per name. A thread that hangs cannot be ended, so their number is limited.
MAX_THREADS = 4


@dataclass(slots=True)
class _Name:
    """The state of one name's lookup: the future of its answer, and the threads that look it up.

    `newest`: the number of the thread started last, at `started_at` of the loop's time.
    """

    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any] | None" = None
    threads: int = 0
    newest: int = 0
    started_at: float = 0.0


class Lookups:
    """Looks host names up on separate daemon threads, usually one per name for all who wait for it.

    asyncio uses the loop's default threads, of which there are few. A name whose resolver hangs takes one at
    each attempt and keeps it long after the attempt was given up, until none is left for compression and for
    other names. At the end of the process, Python waits for those threads too.

    After `patience_seconds` another thread is started, up to `MAX_THREADS` per name; the first that finds the
    name answers all. An error counts only from the newest thread: an older one may have queried before the
    resolver recovered.

    `resolve`: a function like `socket.getaddrinfo`, which is the default.
    """

    def __init__(self, resolve: Resolve | None = None, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._resolve = resolve
        self._patience_seconds = patience_seconds
        self._names: dict[tuple[object, ...], _Name] = {}

    async def find(self, *name: object) -> Any:
        """Return what `resolve` returns for these arguments; if cancelled, the lookup goes on for others."""
        loop = asyncio.get_running_loop()
        known = self._names.get(name)
        if known is None or known.loop is not loop:  # the loop of the last lookup is closed
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
        if known.threads >= MAX_THREADS:
            return
        number = known.newest + 1
        thread = threading.Thread(
            target=self._look_up, args=(name, known, number), name="name lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # no more threads can be started
            if not known.threads:
                self._settle(name, known, None, OSError(f"no thread to look up {name[0]}: {error}"))
            return
        known.threads += 1
        known.newest, known.started_at = number, known.loop.time()

    def _look_up(self, name: tuple[object, ...], known: _Name, number: int) -> None:
        resolve: Resolve = self._resolve or socket.getaddrinfo
        try:
            found, error = resolve(*name), None
        except Exception as failure:  # noqa: BLE001 raised where the answer is awaited
            found, error = None, failure
        with suppress(RuntimeError):  # the loop was closed meanwhile
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
            answer.exception()  # marks it as retrieved: perhaps nobody waits any more
        elif answer is not None:
            answer.set_result(found)
        if not known.threads and self._names.get(name) is known:
            del self._names[name]


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own event loop, except that it looks names up with `Lookups`."""

    def __init__(self, resolve: Resolve | None = None, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__()
        self._lookups = Lookups(resolve, patience_seconds=patience_seconds)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Return the addresses, as `socket.getaddrinfo` does."""
        return await self._lookups.find(host, port, family, type, proto, flags)
