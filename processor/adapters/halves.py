"""A large upsert as two halves at the same time: PostgreSQL works on a statement with one core (ADR 29).

No product is in both, each half locks rows in the order of products, and none waits for the other while it
holds a lock. So halves deadlock neither with each other nor with those of other processes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from processor.errors import CatalogRefusedError, DependencyError, StatementTimeoutError
from processor.fold import Change
from processor.ports import Upserted

# Applies changes within so many seconds.
Upsert: TypeAlias = Callable[[Sequence[Change], float], Awaitable[Upserted]]


async def upsert_halves(upsert: Upsert, changes: Sequence[Change], within_seconds: float) -> Upserted:
    """Apply two changes or more, in halves. However it ends, neither of them is running any more.

    Raises: whatever `upsert` does. The other half may be applied all the same.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    middle = len(changes) // 2
    halves = (changes[:middle], changes[middle:])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(upsert, half, within_seconds)) for half in halves]
    outcomes = [task.result() for task in tasks]
    lost = [place for place, outcome in enumerate(outcomes) if type(outcome) is DependencyError]
    if len(lost) == 1:
        # The other half was answered, so the database is there, but may have had no second connection.
        (place,) = lost
        outcomes[place] = await _outcome(upsert, halves[place], deadline - loop.time())
    if errors := [outcome for outcome in outcomes if isinstance(outcome, Exception)]:
        raise max(errors, key=_precedence)
    done = [outcome for outcome in outcomes if isinstance(outcome, Upserted)]
    return Upserted(sum(half.changed for half in done), any(half.has_pending_invalidations for half in done))


async def _outcome(upsert: Upsert, half: Sequence[Change], within_seconds: float) -> Upserted | Exception:
    """Return the error instead of raising it, since the other half must not be cancelled for it."""
    try:
        return await upsert(half, within_seconds)
    except Exception as error:  # noqa: BLE001 raised when both have ended
        return error


def _precedence(error: Exception) -> int:
    """Return the highest number for the error of two that matters."""
    match error:
        case CatalogRefusedError():
            return 0  # found again, one by one, when all else is well
        case StatementTimeoutError():
            return 2  # smaller statements find out what else is wrong
        case DependencyError():
            return 1
    return 3
