"""Redriving failed batches: each event once more through the function, several at the same time."""

import asyncio
import json
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
                await _redrive(batch, processor, marks, stop, result)
            on_done(1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except* Exception as errors:  # noqa: BLE001 raised again
        raise errors.exceptions[0] from None
    finally:
        await marks.flush()


async def _redrive(
    batch: FailedBatch, processor: Processor, marks: MarkWriter, stop: asyncio.Event, result: Redriven
) -> None:
    try:
        await _invoke_to_the_end(processor, batch.payload, stop)
    except InvocationError as error:
        result.failures.append(Failure(batch.key, str(error)))
        return
    result.batches += 1
    result.records += batch.records
    result.keys.add(batch.key)
    await marks.add({"key": batch.key})


async def _invoke_to_the_end(processor: Processor, payload: str, stop: asyncio.Event) -> None:
    """Process an event; what an invocation left goes again, as long as each gets further, until `stop`.

    Otherwise a batch that takes longer than an invocation would begin at its first record each time.

    Raises: InvocationError.
    """
    while True:
        try:
            await invoke_completely(processor, payload.encode())
        except InvocationError as error:
            event = json.loads(payload)
            numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
            if error.unfinished not in numbers[1:] or stop.is_set():
                raise
            left = event["Records"][numbers.index(error.unfinished) :]
            payload = json.dumps({**event, "Records": left}, ensure_ascii=False)
        else:
            return
