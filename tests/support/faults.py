"""Faults of in-memory ports: which operation fails, and how."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn, TypeAlias


class Fault(Enum):
    """What an operation does instead of succeeding."""

    FAILS = auto()  # before anything is done
    FAILS_AFTERWARDS = auto()  # the work is done, the response is lost
    HANGS = auto()
    HANGS_AFTERWARDS = auto()


# Called for every operation: returns nothing, the operation's fault, or the error that it raises.
Plan: TypeAlias = Callable[[str], Fault | Exception | None]


@dataclass
class Faults:
    """The planned faults, and the operations begun, in order, as "<port>.<method>"."""

    plan: Plan = lambda _: None
    begun: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def around(self, operation: str, failure: type[Exception]) -> AsyncIterator[None]:
        """Run the block as this operation, with its planned fault."""
        self.begun.append(operation)
        fault = self.plan(operation)
        await asyncio.sleep(0)
        if isinstance(fault, Exception):
            raise fault.with_traceback(None)
        if fault is Fault.FAILS:
            raise failure(f"{operation} failed")
        if fault is Fault.HANGS:
            await _hang()
        yield
        await asyncio.sleep(0)
        if fault is Fault.FAILS_AFTERWARDS:
            raise failure(f"{operation} failed afterwards")
        if fault is Fault.HANGS_AFTERWARDS:
            await _hang()


async def _hang() -> NoReturn:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def always(**faults: Fault | Exception) -> Plan:
    """Return a plan in which an operation (`catalog_upsert` for "catalog.upsert") fails each time."""
    return {name.replace("_", ".", 1): fault for name, fault in faults.items()}.get
