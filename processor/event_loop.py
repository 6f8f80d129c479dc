"""An event loop on which a name that cannot be resolved holds up nothing but who asks for it."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

Key: TypeAlias = tuple[Any, ...]


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own, but for the threads that look names up.

    asyncio looks them up on the loop's default threads, of which there are few: a name whose resolver hangs
    takes one at each try, and keeps it long after the try was given up, until compression and the other
    services' names find none. Here a lookup has a daemon thread of its own, and whoever asks for a name that
    is being looked up waits for the same lookup.

    `resolve`: as `socket.getaddrinfo`, which is the default.
    """

    def __init__(self, resolve: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self._resolve = resolve
        self._lookups: dict[Key, asyncio.Future[Any]] = {}

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
        """The addresses, as `socket.getaddrinfo` gives them; cancelled, the lookup goes on for others."""
        key = (host, port, family, type, proto, flags)
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = self.create_future()
            lookup.add_done_callback(lambda done: self._forget(key, done))
            # Not through the executor: at the end of the process that waits for its threads.
            threading.Thread(
                target=self._look_up, args=(lookup, key), name="name lookup", daemon=True
            ).start()
        return await asyncio.shield(lookup)

    def _look_up(self, lookup: "asyncio.Future[Any]", key: Key) -> None:
        resolve = self._resolve or socket.getaddrinfo
        try:
            found, error = resolve(*key), None
        except Exception as failure:  # noqa: BLE001 raised where it is waited for
            found, error = None, failure
        with suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits
            self.call_soon_threadsafe(_settle, lookup, found, error)

    def _forget(self, key: Key, lookup: "asyncio.Future[Any]") -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # it may be that nobody waits any more


def _settle(lookup: "asyncio.Future[Any]", found: Any, error: Exception | None) -> None:
    if lookup.cancelled():
        return
    if error is None:
        lookup.set_result(found)
    else:
        lookup.set_exception(error)
