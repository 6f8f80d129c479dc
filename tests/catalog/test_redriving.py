"""A failed batch that an invocation does in part: the rest goes again, as long as there is less of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from catalog.repair.failed_batches import FailedBatch, read_failed_batch
from catalog.repair.pace import Pace
from catalog.repair.redriving import Redriven, redrive
from tests.support.events import kinesis_event, kinesis_record, sequence


class Function:
    """A function that has time for so many records, and notes which it got."""

    def __init__(self, records: int, stop: asyncio.Event | None = None) -> None:
        self.sent: list[list[str]] = []
        self._records = records
        self._stop = stop

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        numbers = [record["kinesis"]["sequenceNumber"] for record in json.loads(payload)["Records"]]
        self.sent.append(numbers)
        if self._stop is not None:
            self._stop.set()
        return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers[self._records :][:1]]}


class Marks:
    """Marks that nobody reads."""

    async def add(self, _: object) -> None:
        pass

    async def flush(self) -> None:
        pass


async def redriven(function: Function, stop: asyncio.Event) -> Redriven:
    """Redrive one batch of five records."""
    event = kinesis_event(*(kinesis_record({"product_id": "p"}, place) for place in range(5)))
    listed = {"Key": "aws/lambda/one", "LastModified": None}
    batch = read_failed_batch(listed, json.dumps({"payload": json.dumps(event)}).encode())
    assert isinstance(batch, FailedBatch)

    async def batches() -> AsyncIterator[FailedBatch]:
        yield batch

    result = Redriven()
    await redrive(
        batches(),
        function,
        cast(Any, Marks()),
        workers=1,
        pace=Pace(None),
        stop=stop,
        on_done=lambda _: None,
        result=result,
    )
    return result


@pytest.mark.parametrize(("at_once", "sent"), [(5, [5]), (3, [5, 2]), (2, [5, 3, 1])])
async def test_what_an_invocation_left_is_sent_again(at_once: int, sent: list[int]) -> None:
    function = Function(at_once)
    result = await redriven(function, asyncio.Event())
    assert [len(numbers) for numbers in function.sent] == sent
    assert function.sent[-1][-1] == sequence(4)
    assert (result.batches, result.records, result.failures) == (1, 5, [])


async def test_a_batch_that_gets_no_further_is_a_failure() -> None:
    function = Function(0)
    result = await redriven(function, asyncio.Event())
    assert len(function.sent) == 1
    assert [failure.why for failure in result.failures] == [
        f"unfinished from sequence number {sequence(0)} on: see the log"
    ]


async def test_a_redrive_that_is_stopped_leaves_the_rest() -> None:
    stop = asyncio.Event()
    function = Function(2, stop)
    result = await redriven(function, stop)
    assert len(function.sent) == 1
    assert len(result.failures) == 1
