"""An event loop on which a name that cannot be resolved holds up nothing but who asks for it."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

Resolve: TypeAlias = Callable[..., Any]
_Lookup: TypeAlias = "asyncio.Future[Any]"


class Lookups:
    """Looks names up on daemon threads of its own, one a name however many ask for it.

    asyncio does it on the loop's default threads, of which there are few: a name whose resolver hangs takes
    one at each try, and keeps it long after the try was given up, until compression and the other services'
    names find none. At the end of the process, those threads are waited for, too.

    `resolve`: as `socket.getaddrinfo`, which is the default.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        self._pending: dict[tuple[object, ...], _Lookup] = {}

    async def find(self, *name: object) -> Any:
        """What `resolve` answers to these arguments; cancelled, the lookup goes on for others."""
        lookup = self._pending.get(name)
        if lookup is None:
            loop = asyncio.get_running_loop()
            lookup = self._pending[name] = loop.create_future()
            lookup.add_done_callback(lambda done: self._forget(name, done))
            thread = threading.Thread(
                target=self._look_up, args=(name, lookup, loop), name="name lookup", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # no more threads can be had: the next one may try again
                lookup.set_exception(OSError(f"no thread to look {name[0]} up: {error}"))
        return await asyncio.shield(lookup)

    def _look_up(self, name: tuple[object, ...], lookup: _Lookup, loop: asyncio.AbstractEventLoop) -> None:
        resolve: Resolve = self._resolve or socket.getaddrinfo
        try:
            found, error = resolve(*name), None
        except Exception as failure:  # noqa: BLE001 raised where it is waited for
            found, error = None, failure
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
            loop.call_soon_threadsafe(_settle, lookup, found, error)

    def _forget(self, name: tuple[object, ...], lookup: _Lookup) -> None:
        del self._pending[name]
        if not lookup.cancelled():
            lookup.exception()  # it may be that nobody waits any more


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own, but for how it looks names up: see `Lookups`."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        super().__init__()
        self._lookups = Lookups(resolve)

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


def _settle(lookup: _Lookup, found: object, error: Exception | None) -> None:
    if lookup.cancelled():
        return
    if error is None:
        lookup.set_result(found)
    else:
        lookup.set_exception(error)
