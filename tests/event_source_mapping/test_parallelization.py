"""Concurrent batches per shard, in order for each partition key."""

from collections import defaultdict
from itertools import cycle, islice

import pytest

from local.emulated_aws.event_source_mapping import FunctionError
from tests.support.simulated_mapping import Call, Simulation, failing, records_of, with_settings
from tests.support.simulated_time import simulate

_KEYS = [f"product-{number}" for number in range(20)]


@pytest.mark.parametrize("factor", [1, 4, 10])
def test_so_many_batches_of_a_shard_run_concurrently(factor: int) -> None:
    """ParallelizationFactor is the number of batches processed from each shard concurrently, 1 to 10.

    Source: Using Lambda with Kinesis, https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 1.0
        simulation.stream.put(*(f"product-{number}" for number in range(200)))
        mapping = await simulation.run_until_done(with_settings(parallelization_factor=factor))
        assert simulation.function.most_running == factor
        assert mapping.progress.records_acknowledged == 200

    simulate(scenario())


def test_a_partition_key_stays_in_order_through_errors_and_redeliveries() -> None:
    """Records with the same partition key are processed in order, even with concurrent batches.

    Source: New AWS Lambda scaling controls for Kinesis and DynamoDB event sources,
    https://aws.amazon.com/blogs/compute/new-aws-lambda-scaling-controls-for-kinesis-and-dynamodb-event-sources/
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 0.3
        put = simulation.stream.put(*islice(cycle(_KEYS), 200))
        answers = cycle(["error", "middle", "fine", "first", "fine"])

        def respond(call: Call) -> object:
            match next(answers):
                case "error":
                    raise FunctionError("Unhandled")
                case "middle":
                    return failing(call.sequence_numbers[len(call.sequence_numbers) // 2])
                case "first":
                    return failing(call.sequence_numbers[0])
            done.extend(zip(call.keys, call.sequence_numbers, strict=True))
            return None

        done: list[tuple[str, str]] = []
        simulation.function.respond = respond
        await simulation.run_until_done(
            with_settings(parallelization_factor=4, batch_size=7, bisect_batch_on_function_error=True)
        )
        first_delivered: dict[str, list[int]] = defaultdict(list)
        for call in simulation.function.calls:
            for key, number in zip(call.keys, map(int, call.sequence_numbers), strict=True):
                if number not in first_delivered[key]:
                    first_delivered[key].append(number)
        assert all(numbers == sorted(numbers) for numbers in first_delivered.values())
        assert sum(map(len, first_delivered.values())) == len(put)

    simulate(scenario())


def test_a_failing_batch_delays_no_other_partition_key_and_holds_the_checkpoint() -> None:
    """Other partition keys continue while one is retried; the checkpoint stays before its first record.

    Sources: New AWS Lambda scaling controls for Kinesis and DynamoDB event sources,
    https://aws.amazon.com/blogs/compute/new-aws-lambda-scaling-controls-for-kinesis-and-dynamodb-event-sources/;
    at least once, https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        put = simulation.stream.put(*_KEYS)
        bad = put[10]

        def respond(call: Call) -> object:
            if bad in call.sequence_numbers:
                raise FunctionError("Unhandled")
            return None

        simulation.function.respond = respond
        mapping = await simulation.run_for(600.0, with_settings(parallelization_factor=10, batch_size=1))
        same_delivery = len(put) - mapping.progress.records_acknowledged
        assert 1 <= same_delivery < 10
        assert mapping.progress.checkpoints == {"shardId-000000000000": put[9]}
        assert mapping.progress.iterator_age_ms == 600_000

    simulate(scenario())


def test_each_concurrent_delivery_gathers_a_separate_batch() -> None:
    """A partition key always has the same delivery; batch size and window apply to each delivery.

    Source: New AWS Lambda scaling controls for Kinesis and DynamoDB event sources,
    https://aws.amazon.com/blogs/compute/new-aws-lambda-scaling-controls-for-kinesis-and-dynamodb-event-sources/
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put(*_KEYS * 5)
        await simulation.run_until_done(
            with_settings(parallelization_factor=2, batch_size=30, maximum_batching_window_in_seconds=5)
        )
        full = [call for call in simulation.function.calls if len(call.keys) == 30]
        others = [call for call in simulation.function.calls if len(call.keys) < 30]
        assert {call.at_seconds for call in full} == {0.0}
        assert {call.at_seconds for call in others} == {5.0}
        assert len(full) * 30 + sum(len(call.keys) for call in others) == 100
        key_groups = {frozenset(call.keys) for call in full}
        assert len(key_groups) == 2
        assert sum(map(len, key_groups)) == len(frozenset().union(*key_groups))

    simulate(scenario())


def test_records_without_a_partition_key_are_delivered_with_null() -> None:
    """The event's partitionKey is null for a record written without one; such records have no order.

    Sources: AWS Lambda triggers with service-managed streams,
    https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-integrations-lambda.html; Consumer
    considerations, https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-consuming-considerations.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 1.0
        put = simulation.stream.put(*[None] * 20)
        await simulation.run_until_done(with_settings(parallelization_factor=4))
        assert simulation.function.most_running > 1
        records = [record for call in simulation.function.calls for record in records_of(call.event)]
        assert all(record["kinesis"]["partitionKey"] is None for record in records)
        assert sorted(number for batch in simulation.function.batches for number in batch) == sorted(put)

    simulate(scenario())
