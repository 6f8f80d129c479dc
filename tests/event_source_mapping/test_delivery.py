"""The driver by which other tests deliver records: the mapping's rules, no waiting, a limit."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.emulated_aws.event_source_mapping import FunctionNotReachedError
from tests.support.events import kinesis_record, sequence
from tests.support.lambda_delivery import DeliveryResult, deliver
from tests.support.simulated_mapping import failing, with_settings

RECORDS = [kinesis_record(f"{position}", position) for position in range(8)]


class Refuses:
    """A function that raises `error` for every batch with this record, as for a bad record."""

    def __init__(self, position: int, error: Exception) -> None:
        self.number = sequence(position)
        self.error = error

    async def __call__(self, event: Mapping[str, Any]) -> object:
        if any(record["kinesis"]["sequenceNumber"] == self.number for record in event["Records"]):
            raise self.error
        return None


def everything(delivery: DeliveryResult) -> list[str]:
    return sorted([*delivery.acknowledged, *delivery.discarded, *delivery.unfinished])


async def test_an_error_bisects_the_batch_until_the_limit() -> None:
    delivery = await deliver(Refuses(5, ValueError("bad")), RECORDS, limit_invocations=10)
    assert delivery.sizes == [8, 4, 4, 2, 1, 1, 1, 1, 1, 1]
    assert delivery.acknowledged == [sequence(position) for position in range(5)]
    assert delivery.unfinished == [sequence(position) for position in (5, 6, 7)]
    assert [isinstance(answer, ValueError) for answer in delivery.answers].count(True) == 8
    assert delivery.waited_seconds == 1 + 2 + 4 + 8 + 16


async def test_discarded_and_acknowledged_records_are_told_apart() -> None:
    settings = with_settings(maximum_retry_attempts=0)
    delivery = await deliver(Refuses(5, ValueError("bad")), RECORDS, settings=settings)
    assert (delivery.discarded, delivery.unfinished) == ([sequence(5)], [])
    assert len(delivery.acknowledged) == 7
    assert everything(delivery) == [sequence(position) for position in range(8)]


async def test_a_partial_response_delivers_the_rest_and_the_next_batch_follows() -> None:
    async def one_at_a_time(event: Mapping[str, Any]) -> object:
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        return failing(*numbers[1:])

    delivery = await deliver(one_at_a_time, RECORDS, batch_size=5)
    assert delivery.sizes == [5, 4, 3, 2, 1, 3, 2, 1]
    assert len(delivery.acknowledged) == 8


async def test_a_throttle_is_not_a_function_error() -> None:
    settings = with_settings(maximum_retry_attempts=0)
    delivery = await deliver(
        Refuses(0, FunctionNotReachedError()), RECORDS, settings=settings, limit_invocations=3
    )
    assert (delivery.sizes, len(delivery.unfinished)) == ([8, 8, 8], 8)


async def test_a_failed_assertion_in_the_function_fails_the_test() -> None:
    with pytest.raises(AssertionError):
        await deliver(Refuses(0, AssertionError("seen")), RECORDS)
