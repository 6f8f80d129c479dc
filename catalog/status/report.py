"""Everything `catalog status` tells, read at the same time; what cannot be reached hides nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from catalog.connections import Connections
from catalog.failures import WaitingFailures, waiting_failures
from catalog.repair.marks import Marks
from catalog.running import explained
from catalog.status.alarms import Alarm, read_alarms
from catalog.status.flow import ReadObjects, Rejections, Throughput, read_rejections, read_throughput
from catalog.status.lag import ArchiveTails, Lag, read_lag
from catalog.status.retries import Retries, read_retries
from catalog.status.stores import (
    CacheState,
    DatabaseState,
    PendingInvalidations,
    read_cache,
    read_database,
    read_pending,
)

T = TypeVar("T")
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why a part could not be read."""

    error: str


@dataclass(slots=True)
class Memory:
    """What is remembered between two looks, so that the second reads what is new only."""

    tails: ArchiveTails = field(default_factory=ArchiveTails)
    objects: ReadObjects = field(default_factory=ReadObjects)
    marks: Marks = field(default_factory=Marks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How an environment is at a moment; each part, or why it could not be read."""

    environment: str
    at: datetime
    alarms: list[Alarm] | Unreachable
    lag: Lag | Unreachable
    retries: Retries | Unreachable
    throughput: Throughput | Unreachable
    failures: WaitingFailures | Unreachable
    rejections: Rejections | Unreachable
    pending: PendingInvalidations | Unreachable
    database: DatabaseState | Unreachable
    cache: CacheState | Unreachable

    @property
    def alarms_on(self) -> list[Alarm]:
        """The alarms that are on."""
        return [] if isinstance(self.alarms, Unreachable) else [a for a in self.alarms if a.state == "ALARM"]

    @property
    def is_well(self) -> bool:
        """Whether no alarm is on and all could be read."""
        parts = [getattr(self, name) for name in self.__dataclass_fields__]
        return not self.alarms_on and not any(isinstance(part, Unreachable) for part in parts)


def parts_of(
    connections: Connections, memory: Memory, at: datetime
) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return what reads each part of an environment's status, by the name that it has in `Status`."""
    return {
        "alarms": lambda: read_alarms(connections),
        "lag": lambda: read_lag(connections, at, memory.tails),
        "retries": lambda: read_retries(connections, at),
        "throughput": lambda: read_throughput(connections, at, memory.objects),
        "failures": lambda: waiting_failures(connections, memory.marks),
        "rejections": lambda: read_rejections(connections, at, memory.objects, memory.marks),
        "pending": lambda: read_pending(connections),
        "database": lambda: read_database(connections),
        "cache": lambda: read_cache(connections, at),
    }


async def read_status(connections: Connections, memory: Memory, now: datetime | None = None) -> Status:
    """Read every part of an environment's status."""
    at = now or datetime.now(UTC)
    parts = parts_of(connections, memory, at)
    read = await asyncio.gather(*map(tried, parts.values()))
    return Status(environment=connections.environment.name, at=at, **dict(zip(parts, read, strict=True)))


async def tried(read: Callable[[], Awaitable[T]]) -> T | Unreachable:
    """Return what was read, or why it could not be."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await read()
    except TimeoutError:
        return Unreachable(f"no answer within {_SECONDS:g} s")
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        return Unreachable(str(told))
