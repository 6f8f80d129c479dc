"""Deliver records to a function under AWS's rules, without the waits of a real mapping."""

import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from local.emulated_aws.event_source_mapping import (
    FunctionError,
    FunctionNotReachedError,
    MappingSettings,
    Stream,
    StreamRecord,
)
from local.emulated_aws.event_source_mapping.batch import QueuedRecord
from local.emulated_aws.event_source_mapping.delivery import BatchDelivery
from local.emulated_aws.event_source_mapping.mapping_state import MappingState
from local.emulated_aws.event_source_mapping.payload import record_event_bytes
from local.emulated_aws.event_source_mapping.waiting import Notifier
from tests.support.simulated_mapping import SETTINGS

Invoke = Callable[[Mapping[str, object]], Awaitable[object]]


@dataclass
class DeliveryResult:
    """The result of a delivery; all records are named by their sequence numbers, in order.

    Attributes:
        batches: the records of each invocation.
        answers: what each invocation returned, or the exception it raised.
        acknowledged, discarded, unfinished: every record is in one of these.
        waited_seconds: how long the mapping would have waited between the invocations.
    """

    batches: list[list[str]] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    waited_seconds: float = 0.0

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


async def deliver(
    invoke: Invoke,
    records: Sequence[Mapping[str, Any]],
    *,
    batch_size: int = 100,
    bisect: bool = True,
    limit_invocations: int = 40,
    settings: MappingSettings = SETTINGS,
) -> DeliveryResult:
    """Deliver the records of one shard, in order, until all are done or `limit_invocations` is reached.

    Args:
        invoke: the function; an exception is a function error, except FunctionNotReachedError (it was
            throttled) and AssertionError (the test failed).
        records: as `tests.support.events.kinesis_record` makes them.
        settings: the other settings of the mapping; retries are unlimited unless they say so.
    """
    settings = replace(settings, batch_size=batch_size, bisect_batch_on_function_error=bisect)
    shard_id = records[0]["eventID"].split(":")[0]
    waiting = [_record(record) for record in records]
    clock = _SkippedTime(waiting[-1].arrived_at)
    result = DeliveryResult()
    ids = itertools.count()
    state = MappingState(
        settings=settings,
        stream=cast("Stream", None),  # the records have been read already
        function=_Limited(invoke, result, limit_invocations, lambda: setattr(state, "stopping", True)),
        failures=_Discarded(result),
        clock=clock,
        new_id=lambda: str(next(ids)),
        changed=Notifier(clock),
    )
    delivery = BatchDelivery(shard_id, state, Notifier(clock))
    for record in waiting:
        delivery.offer(QueuedRecord(record, None, record_event_bytes(shard_id, record, settings)))
    delivery.closed = True
    await delivery.run()
    numbers = [record.sequence_number for record in waiting]
    first = delivery.first_unfinished
    done = len(numbers) if first is None else numbers.index(first.record.sequence_number)
    result.acknowledged = [number for number in numbers[:done] if number not in result.discarded]
    result.unfinished = numbers[done:]
    result.waited_seconds = clock.skipped_seconds
    return result


def _record(record: Mapping[str, Any]) -> StreamRecord:
    kinesis = record["kinesis"]
    return StreamRecord(
        sequence_number=kinesis["sequenceNumber"],
        partition_key=kinesis["partitionKey"],
        data=base64.b64decode(kinesis["data"]),
        arrived_at=datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC),
    )


class _SkippedTime:
    """A clock that begins when the last record arrived, and that only waiting advances."""

    def __init__(self, began: datetime) -> None:
        self.skipped_seconds = 0.0
        self._began = began

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.skipped_seconds)

    async def sleep(self, seconds: float) -> None:
        self.skipped_seconds += seconds


class _Limited:
    """A function that records every invocation and, beyond the limit, stops the mapping instead."""

    def __init__(self, invoke: Invoke, result: DeliveryResult, limit: int, stop: Callable[[], None]) -> None:
        self._invoke = invoke
        self._result = result
        self._limit = limit
        self._stop = stop

    async def invoke(self, event: Mapping[str, object]) -> object:
        if len(self._result.batches) == self._limit:
            self._stop()
            raise FunctionNotReachedError
        self._result.batches.append(_sequence_numbers(event))
        try:
            answer = await self._invoke(event)
        except AssertionError:
            raise
        except Exception as error:
            self._result.answers.append(error)
            if isinstance(error, FunctionError | FunctionNotReachedError):
                raise
            raise FunctionError(repr(error)) from error
        self._result.answers.append(answer)
        return answer


class _Discarded:
    """An on-failure destination that records what is discarded."""

    def __init__(self, result: DeliveryResult) -> None:
        self._result = result

    async def put(self, key: str, body: bytes) -> None:
        self._result.discarded += _sequence_numbers(json.loads(json.loads(body)["payload"]))


def _sequence_numbers(event: Mapping[str, Any]) -> list[str]:
    return [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
