"""What open pages see, sent as it changes (server-sent events). Nothing is read while no page is open."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

# A page that is so many events behind is gone, or will come back for everything.
_MOST_WAITING = 1_000
_HEARTBEAT_SECONDS = 15.0


class Publish(Protocol):
    """Sends an event to all pages. `whole`: what a page gets first that is opened later, if not `data`."""

    def __call__(self, name: str, data: Any, whole: Any = None) -> None: ...


Source = Callable[[Publish], Awaitable[None]]
"""Reads something again and again, and publishes it; runs until it is cancelled."""


class Live:
    """The open pages; the sources run for as long as there is one."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._running: list[asyncio.Task[None]] = []
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._last: dict[str, Any] = {}
        self._read: set[str] = set()

    def publish(self, name: str, data: Any, whole: Any = None) -> None:
        """Send an event to all pages."""
        self._last[name] = data if whole is None else whole
        if not self._pages:
            return
        event = _event(name, data)
        for page in list(self._pages):
            try:
                page.put_nowait(event)
            except asyncio.QueueFull:
                self._pages.discard(page)

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the events for one page: first how everything is, then what changes."""
        page: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        for name, data in self._last.items():
            page.put_nowait(_event(name, data))
        self._pages.add(page)
        if not self._running:
            self._running = [asyncio.create_task(self._run(source)) for source in self._sources]
        try:
            while page in self._pages:
                try:
                    yield await asyncio.wait_for(page.get(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b":\n\n"  # so that a closed connection is noticed
        finally:
            self._pages.discard(page)
            if not self._pages:
                self.close()

    def end(self) -> None:
        """End the events of all pages."""
        pages, self._pages = self._pages, set()
        for page in pages:
            with suppress(asyncio.QueueFull):
                page.put_nowait(b":\n\n")
        self.close()

    def close(self) -> None:
        """Stop the sources."""
        for task in self._running:
            task.cancel()
        self._running = []
        # Nobody looks any more; who does later must not take it for what is.
        for name in self._read:
            self._last.pop(name, None)

    async def _run(self, source: Source) -> None:
        def publish(name: str, data: Any, whole: Any = None) -> None:
            self._read.add(name)
            self.publish(name, data, whole)

        try:
            await source(publish)
        except Exception:
            logging.getLogger(__name__).exception("a part of the console failed")
            self.publish(
                "fault", {"error": "a part of the console failed: see the terminal, and start it again"}
            )


def encoded(document: Any) -> bytes:
    """Return a document as JSON, in ASCII: records may hold half of a surrogate pair."""
    return json.dumps(document, default=_plain).encode()


def _event(name: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encoded(data))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
