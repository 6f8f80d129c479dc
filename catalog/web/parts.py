"""The parts of `catalog status`, each read again and again on its own: one that hangs delays no other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

from catalog.connections import Connections
from catalog.status.report import Memory, Unreachable, parts_of, tried
from catalog.web.live import Publish, Source

# After so long, a part that is still being read is shown as one that does not answer.
_PATIENCE_SECONDS = 3.0
_TRIES, _AGAIN_SECONDS = 3, 0.4
_LOCAL_SECONDS = {"pending": 1.0, "cache": 1.0, "database": 2.0}
_LOCAL_OTHERS_SECONDS = 5.0
_AWS_SECONDS = 30.0


def part_sources(connections: Connections, on_part: Callable[[str, Any], None]) -> list[Source]:
    """Return what reads and publishes each part; `on_part` is told, too."""
    is_local = connections.environment.variables is not None
    memory = Memory()
    sources = []
    for name in parts_of(connections, memory, datetime.now(UTC)):
        if is_local and name == "throughput":
            continue  # from the function's log, as it happens
        every = _LOCAL_SECONDS.get(name, _LOCAL_OTHERS_SECONDS) if is_local else _AWS_SECONDS
        sources.append(_source(connections, memory, name, every, on_part))
    return sources


def _source(
    connections: Connections, memory: Memory, name: str, every: float, on_part: Callable[[str, Any], None]
) -> Source:
    async def run(publish: Publish) -> None:
        def tell(part: Any) -> None:
            on_part(name, part)
            publish(f"part-{name}", {"at": datetime.now(UTC), "part": part})

        while True:
            read = parts_of(connections, memory, datetime.now(UTC))[name]
            tell(await _patiently(read, lambda: tell({"error": f"no answer within {_PATIENCE_SECONDS:g} s"})))
            await asyncio.sleep(every)

    return run


async def _patiently(read: Callable[[], Awaitable[Any]], on_silence: Callable[[], None]) -> Any:
    """Return the part as a document; say it if that takes long, and go on waiting."""
    reading = asyncio.ensure_future(_tried_again(read))
    try:
        done, _ = await asyncio.wait({reading}, timeout=_PATIENCE_SECONDS)
        if not done:
            on_silence()
        return _document(await reading)
    finally:
        reading.cancel()


async def _tried_again(read: Callable[[], Awaitable[Any]]) -> Any:
    """Return the part; a late answer or two on a busy machine are no outage."""
    part = await tried(read)
    for _ in range(_TRIES - 1):
        if isinstance(part, Unreachable):
            await asyncio.sleep(_AGAIN_SECONDS)
            part = await tried(read)
    return part


def _document(part: Any) -> Any:
    if isinstance(part, list):
        return [_document(one) for one in part]
    return asdict(part) if is_dataclass(part) and not isinstance(part, type) else part
