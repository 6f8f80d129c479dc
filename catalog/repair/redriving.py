"""Redriving failed batches: each event once more through the function, several at the same time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from catalog.repair.failed_batches import Damaged, FailedBatch
from catalog.repair.invocation import InvocationError, Processor, invoke_completely
from catalog.repair.marks import MarkWriter
from catalog.repair.pace import Pace


@dataclass(frozen=True, slots=True)
class Failure:
    """What was left as it is, and why."""

    key: str
    why: str


@dataclass(slots=True)
class Redriven:
    """What a redrive did."""

    batches: int = 0
    records: int = 0
    keys: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)


async def redrive(
    batches: AsyncIterator[FailedBatch | Damaged],
    processor: Processor,
    marks: MarkWriter,
    *,
    workers: int,
    pace: Pace,
    stop: asyncio.Event,
    on_done: Callable[[int], None],
    result: Redriven,
) -> None:
    """Run the batches, until all are done or `stop` is set; fill in `result` on the way."""
    one_at_a_time = asyncio.Lock()

    async def next_batch() -> FailedBatch | Damaged | None:
        async with one_at_a_time:
            return None if stop.is_set() else await anext(batches, None)

    async def work() -> None:
        while (batch := await next_batch()) is not None:
            if isinstance(batch, Damaged):
                result.damaged.append(batch)
            else:
                if not await pace.wait(batch.records, stop):
                    return
                await _redrive(batch, processor, marks, result)
            on_done(1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except* Exception as errors:  # noqa: BLE001 raised again
        raise errors.exceptions[0] from None
    finally:
        await marks.flush()


async def _redrive(batch: FailedBatch, processor: Processor, marks: MarkWriter, result: Redriven) -> None:
    try:
        await invoke_completely(processor, batch.payload.encode())
    except InvocationError as error:
        result.failures.append(Failure(batch.key, str(error)))
        return
    result.batches += 1
    result.records += batch.records
    result.keys.add(batch.key)
    await marks.add({"key": batch.key})
