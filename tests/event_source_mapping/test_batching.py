"""When the function is invoked, and with what."""

import asyncio
import json

from tests.support.simulated_mapping import SETTINGS, SHARD, Simulation, records_of, run_until, with_settings
from tests.support.simulated_time import simulate

_LIMIT_BYTES = 6_291_456


def test_the_event_is_the_documented_one() -> None:
    """A record has its data in base64, its arrival time in seconds with milliseconds, and its source.

    Source: Using Lambda with Kinesis, Example event,
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        [number] = simulation.stream.put("product-1", data=b"Hello, this is a test.", age_seconds=1.0126)
        await simulation.run_until_done()
        assert simulation.function.calls[0].event == {
            "Records": [
                {
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": "product-1",
                        "sequenceNumber": number,
                        "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                        "approximateArrivalTimestamp": 1772366398.987,
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"shardId-000000000000:{number}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": "arn:aws:iam::123456789012:role/inventory-processor-dev",
                    "awsRegion": "us-east-2",
                    "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/inventory-updates-dev",
                }
            ]
        }

    simulate(scenario())


def test_without_a_window_the_function_is_invoked_as_soon_as_there_are_records() -> None:
    """A default window of 0 s means: as soon as records are available, even one.

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a")
        await simulation.run_until_done()
        assert (simulation.function.sizes, simulation.function.times) == ([1], [0.0])

    simulate(scenario())


def test_a_batch_is_no_larger_than_the_batch_size_and_a_full_one_does_not_wait() -> None:
    """The function is invoked when the batch size is met, before the window ends.

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put(*"abcdefgh")
        await simulation.run_until_done(with_settings(batch_size=3, maximum_batching_window_in_seconds=60))
        assert simulation.function.sizes == [3, 3, 2]
        assert simulation.function.times == [0.0, 0.0, 60.0]

    simulate(scenario())


def test_the_window_gathers_records() -> None:
    """The function is invoked when the window reaches its maximum.

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()

        async def put_one_a_second() -> None:
            for key in "abcd":
                simulation.stream.put(key)
                await asyncio.sleep(1.0)
            await asyncio.sleep(3.0)

        mapping = simulation.mapping(with_settings(maximum_batching_window_in_seconds=5))
        await run_until(mapping, put_one_a_second())
        assert (simulation.function.sizes, simulation.function.times) == ([4], [5.0])

    simulate(scenario())


def test_the_next_window_begins_when_the_invocation_completes() -> None:
    """For Kinesis, "the next window begins as soon as the previous function invocation completes".

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """
    assert _invoked_at(put_at=[0.5, 15.5], takes_seconds=2.0) == [11.0, 23.0]


def test_a_window_that_ended_empty_begins_again_with_the_first_record() -> None:
    """A window is the maximum time to gather records: a record never waits longer.

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html, which does not say what
    follows an empty window
    """
    assert _invoked_at(put_at=[0.5, 25.5], takes_seconds=2.0) == [11.0, 36.0]


def _invoked_at(*, put_at: list[float], takes_seconds: float) -> list[float]:
    """Return when a function with a window of 10 s is invoked; records are read 0.5 s after `put_at`."""

    async def scenario() -> list[float]:
        simulation = Simulation()
        simulation.function.takes_seconds = takes_seconds

        async def put() -> None:
            for at in put_at:
                await asyncio.sleep(at - simulation.clock.seconds)
                simulation.stream.put("a")
            await asyncio.sleep(20.0)

        await run_until(simulation.mapping(with_settings(maximum_batching_window_in_seconds=10)), put())
        return simulation.function.times

    return simulate(scenario())


def test_a_batch_stays_within_the_payload_limit() -> None:
    """The function is invoked when the payload reaches 6 MB: base64 and metadata count.

    Source: How Lambda processes records from stream and queue-based event sources, Batching behavior,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put(*"abcdé", data=b"x" * 1_048_576)
        await simulation.run_until_done(with_settings(maximum_batching_window_in_seconds=300))
        sizes = [
            len(json.dumps(call.event, separators=(",", ":"), ensure_ascii=False).encode())
            for call in simulation.function.calls
        ]
        assert simulation.function.sizes == [4, 1]
        assert max(sizes) <= _LIMIT_BYTES < sizes[0] + sizes[1]
        assert simulation.function.times[0] == 0.0

    simulate(scenario())


def test_the_payload_is_measured_to_the_byte() -> None:
    """Two records fit if their event has exactly 6,291,456 bytes, and not with one base64 group more.

    Source: Lambda quotas, invocation payload (synchronous) 6 MB,
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """

    async def batches_with(data_bytes: int, key: str) -> tuple[list[int], int]:
        simulation = Simulation()
        simulation.stream.put("a", data=b"x" * 3)
        simulation.stream.put(key, data=b"x" * data_bytes)
        await simulation.run_until_done()
        event = simulation.function.calls[0].event
        return simulation.function.sizes, len(json.dumps(event, separators=(",", ":")).encode())

    async def scenario() -> None:
        _, overhead = await batches_with(0, "k")
        data_bytes, padding = divmod(_LIMIT_BYTES - overhead, 4)
        key = "k" * (1 + padding)
        assert await batches_with(3 * data_bytes, key) == ([2], _LIMIT_BYTES)
        sizes, _ = await batches_with(3 * data_bytes, key + "k")
        assert sizes == [1, 1]

    simulate(scenario())


def test_a_batch_holds_records_of_one_shard() -> None:
    """Each batch contains records from a single shard; shards are read concurrently.

    Source: Using Lambda with Kinesis, Polling and batching streams,
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation(shard_count=3)
        simulation.function.takes_seconds = 1.0
        for shard in range(3):
            simulation.stream.put("a", "b", shard=f"shardId-{shard:012}")
        await simulation.run_until_done()
        assert simulation.function.sizes == [2, 2, 2]
        assert len({call.shard_id for call in simulation.function.calls}) == 3
        assert simulation.function.most_running == 3

    simulate(scenario())


def test_a_shard_is_delivered_in_order_one_batch_at_a_time() -> None:
    """Lambda processes one batch at a time from each shard, in order.

    Source: Using Lambda with Kinesis, Polling and batching streams,
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 5.0
        simulation.stream.page_size = 3
        put = simulation.stream.put(*"abcdefghij")
        await simulation.run_until_done(with_settings(batch_size=4))
        assert [number for batch in simulation.function.batches for number in batch] == list(put)
        assert simulation.function.most_running == 1

    simulate(scenario())


def test_a_quiet_shard_is_polled_once_per_second_and_one_with_more_records_faster() -> None:
    """A standard iterator polls at a base rate of once per second, faster while there is more to read.

    Source: Using Lambda with Kinesis, Polling and batching streams,
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html; five reads a second is what a shard
    allows, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.page_size = 1
        simulation.stream.put(*"abc")
        await simulation.run_for(3.0)
        assert simulation.stream.read_at == [0.0, 0.2, 0.4, 1.4, 2.4]

    simulate(scenario())


def test_each_delivery_gets_a_new_event() -> None:
    """Each invocation receives a separate JSON document: changing one event does not change another.

    Source: Invoke, request body, https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        [number] = simulation.stream.put("a")

        def clear_and_fail(call: object) -> object:
            event = simulation.function.calls[-1].event
            assert len(records_of(event)) == 1
            records_of(event).clear()
            return {"batchItemFailures": [{"itemIdentifier": number}] * (len(simulation.function.calls) == 1)}

        simulation.function.respond = clear_and_fail
        await simulation.run_until_done(SETTINGS)
        assert simulation.function.batches == [(number,), (number,)]
        assert simulation.function.calls[0].shard_id == SHARD

    simulate(scenario())
