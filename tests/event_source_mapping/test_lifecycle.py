"""Start, stop, waiting and progress. These rules are ours: AWS's mapping is a service that just runs."""

import asyncio
from datetime import timedelta

import pytest

from local.emulated_aws.event_source_mapping import (
    InvalidSettingError,
    MappingEndedError,
    Page,
    StartingPosition,
)
from tests.support.simulated_mapping import (
    BEGINNING,
    Call,
    KeptFailures,
    MemoryStream,
    Simulation,
    failing,
    run_until,
    with_settings,
)
from tests.support.simulated_time import simulate


def test_stopping_finishes_the_invocations_in_flight_and_begins_none() -> None:
    """Stopping waits for the responses still to come and acts on them; like disabling, it keeps the position.

    Source: Using Lambda with Kinesis, event source options (Enabled),
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 20.0
        put = simulation.stream.put(*"abcd")
        mapping = simulation.mapping(with_settings(batch_size=2))
        running = asyncio.create_task(mapping.run())
        await asyncio.sleep(5.0)
        assert mapping.progress.invocations_in_flight == 1
        mapping.stop()
        await running
        assert simulation.clock.seconds == 20.0
        assert simulation.function.sizes == [2]
        assert mapping.progress.checkpoints == {"shardId-000000000000": put[1]}
        with pytest.raises(MappingEndedError):
            await mapping.wait_until_done()

    simulate(scenario())


@pytest.mark.parametrize("trouble", ["retry", "read", "destination", "window"])
def test_stopping_ends_any_wait(trouble: str) -> None:
    """Whatever the mapping waits for, it stops within a second. Source: ours."""

    async def scenario() -> None:
        simulation = Simulation(lambda call: failing(call.sequence_numbers[0]))
        simulation.stream.put("a")
        simulation.stream.fail_reads = 1_000 * (trouble == "read")
        simulation.failures.refuse = 1_000 * (trouble == "destination")
        settings = with_settings(
            retry_base_seconds=3600.0,
            retry_cap_seconds=3600.0,
            maximum_batching_window_in_seconds=300 * (trouble == "window"),
            maximum_retry_attempts=0 if trouble == "destination" else -1,
        )
        mapping = await simulation.run_for(7.0, settings)
        assert simulation.clock.seconds == 7.0
        assert mapping.progress.checkpoints == {}

    simulate(scenario())


def broken(_: Call) -> object:
    raise KeyError("function")


class BrokenStream(MemoryStream):
    async def get_records(self, iterator: str, limit: int) -> Page:
        raise KeyError("stream")


class BrokenFailures(KeptFailures):
    async def put(self, key: str, body: bytes) -> None:
        raise KeyError("destination")


@pytest.mark.parametrize("where", ["function", "stream", "destination"])
def test_a_bug_surfaces_from_run(where: str) -> None:
    """An error that no protocol names ends the mapping with that error. Source: ours."""

    async def scenario() -> None:
        simulation = Simulation(lambda call: failing(call.sequence_numbers[0]))
        simulation.stream.put("a")
        match where:
            case "function":
                simulation.function.respond = broken
            case "stream":
                simulation.stream = BrokenStream(simulation.clock)
            case "destination":
                simulation.failures = BrokenFailures()
        mapping = simulation.mapping(with_settings(maximum_retry_attempts=0))
        waiting = asyncio.create_task(mapping.wait_until_done())
        with pytest.raises(KeyError, match=where):
            await mapping.run()
        with pytest.raises(MappingEndedError):
            await waiting

    simulate(scenario())


def test_after_a_cancellation_everything_unacknowledged_is_delivered_again() -> None:
    """At least once: batches in flight when a mapping dies are delivered by the next.

    Source: How Lambda processes records from stream and queue-based event sources, Warning,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 10.0
        simulation.stream.put(*"abcd")
        crashing = simulation.mapping(with_settings(batch_size=2))
        running = asyncio.create_task(crashing.run())
        await asyncio.sleep(15.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        after = simulation.mapping(checkpoints=crashing.progress.checkpoints)
        await run_until(after, after.wait_until_done())
        assert [call.keys for call in simulation.function.calls] == [("a", "b"), ("c", "d"), ("c", "d")]

    simulate(scenario())


def test_wait_until_done_does_not_wait_for_records_put_later() -> None:
    """Records that keep coming do not keep wait_until_done() from returning. Source: ours."""

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 0.5
        mapping = simulation.mapping(with_settings(batch_size=10))
        before = simulation.stream.put(*"abcdefghijklmnopqrst")

        async def keep_putting() -> None:
            while True:
                simulation.stream.put("z")
                await asyncio.sleep(0.1)

        async def scene() -> None:
            putting = asyncio.create_task(keep_putting())
            await mapping.wait_until_done()
            putting.cancel()

        await run_until(mapping, scene())
        delivered = {number for batch in simulation.function.batches for number in batch}
        assert delivered >= set(before)
        assert simulation.clock.seconds < 5.0

    simulate(scenario())


def test_wait_until_done_waits_for_a_record_being_retried_and_for_children() -> None:
    """When wait_until_done() returns, no record is unfinished, whatever its shard. Source: ours."""

    async def scenario() -> None:
        simulation = Simulation()
        answers = iter([failing(""), failing("")])
        simulation.function.respond = lambda _: next(answers, None)
        simulation.stream.put("a")
        left, right = simulation.stream.split("shardId-000000000000")
        simulation.stream.put("b", shard=simulation.stream.merge(left, right))
        mapping = await simulation.run_until_done()
        assert mapping.progress.records_acknowledged == 2
        assert mapping.progress.shards_finished == 3

    simulate(scenario())


def test_progress_says_how_far_behind_it_is() -> None:
    """IteratorAge is the age of records when they are processed; here that of the oldest one unfinished.

    Source: Types of metrics for Lambda functions, https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.function.takes_seconds = 30.0
        simulation.stream.put("a", "b", age_seconds=100)
        mapping = simulation.mapping()

        async def watch() -> None:
            await asyncio.sleep(10.0)
            progress = mapping.progress
            assert (progress.records_read, progress.invocations_in_flight) == (2, 1)
            assert progress.iterator_age_ms == 110_000
            await mapping.wait_until_done()
            assert mapping.progress.iterator_age_ms == 0

        await run_until(mapping, watch())

    simulate(scenario())


def test_a_mapping_runs_once() -> None:
    """Its figures and checkpoints are those of one run. Source: ours."""

    async def scenario() -> None:
        mapping = await Simulation().run_until_done()
        with pytest.raises(RuntimeError, match="runs once"):
            await mapping.run()

    simulate(scenario())


def test_the_starting_time_cannot_be_in_the_future() -> None:
    """StartingPositionTimestamp cannot be in the future.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    async def scenario() -> None:
        settings = with_settings(
            starting_position=StartingPosition.AT_TIMESTAMP,
            starting_position_timestamp=BEGINNING + timedelta(seconds=1),
        )
        with pytest.raises(InvalidSettingError, match="not in the future"):
            Simulation().mapping(settings)

    simulate(scenario())


def test_the_same_scenario_runs_the_same_way_twice() -> None:
    """With simulated time a run can be repeated exactly. Source: ours."""

    async def scenario() -> list[tuple[float, str, tuple[str, ...]]]:
        simulation = Simulation(shard_count=3)
        answers = iter(range(1_000))
        simulation.function.respond = lambda call: (
            failing(call.sequence_numbers[-1]) if next(answers) % 3 == 0 else None
        )
        for shard in range(3):
            simulation.stream.put(*"abcdefghijklmnop", shard=f"shardId-{shard:012}")
        await simulation.run_until_done(with_settings(parallelization_factor=3, batch_size=2))
        return [(call.at_seconds, call.shard_id, call.sequence_numbers) for call in simulation.function.calls]

    assert simulate(scenario()) == simulate(scenario())
