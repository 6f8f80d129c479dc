"""Beginning, ending, and being watched. These rules are ours: AWS's mapping is a service that just runs."""

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
    World,
    failing,
    run_until,
    with_settings,
)
from tests.support.simulated_time import simulate


def test_stopping_finishes_the_invocations_in_flight_and_begins_none() -> None:
    """Stopping acts on the answers still to come; like a disabled mapping, it keeps where it was.

    Source: Using Lambda with Kinesis, event source options (Enabled),
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        world = World()
        world.function.takes_seconds = 20.0
        put = world.stream.put(*"abcd")
        mapping = world.mapping(with_settings(batch_size=2))
        running = asyncio.create_task(mapping.run())
        await asyncio.sleep(5.0)
        assert mapping.progress.invocations_in_flight == 1
        mapping.stop()
        await running
        assert world.clock.seconds == 20.0
        assert world.function.sizes == [2]
        assert mapping.progress.checkpoints == {"shardId-000000000000": put[1]}
        with pytest.raises(MappingEndedError):
            await mapping.drained()

    simulate(scenario())


@pytest.mark.parametrize("trouble", ["retry", "read", "destination", "window"])
def test_stopping_does_not_sit_out_a_wait(trouble: str) -> None:
    """Whatever the mapping waits for, it stops within the same second. Source: ours."""

    async def scenario() -> None:
        world = World(lambda call: failing(call.sequence_numbers[0]))
        world.stream.put("a")
        world.stream.fail_reads = 1_000 * (trouble == "read")
        world.failures.refuse = 1_000 * (trouble == "destination")
        settings = with_settings(
            retry_base_seconds=3600.0,
            retry_cap_seconds=3600.0,
            maximum_batching_window_in_seconds=300 * (trouble == "window"),
            maximum_retry_attempts=0 if trouble == "destination" else -1,
        )
        mapping = await world.run_for(7.0, settings)
        assert world.clock.seconds == 7.0
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
    """An error no protocol names ends the mapping with that error. Source: ours."""

    async def scenario() -> None:
        world = World(lambda call: failing(call.sequence_numbers[0]))
        world.stream.put("a")
        match where:
            case "function":
                world.function.respond = broken
            case "stream":
                world.stream = BrokenStream(world.clock)
            case "destination":
                world.failures = BrokenFailures()
        mapping = world.mapping(with_settings(maximum_retry_attempts=0))
        drained = asyncio.create_task(mapping.drained())
        with pytest.raises(KeyError, match=where):
            await mapping.run()
        with pytest.raises(MappingEndedError):
            await drained

    simulate(scenario())


def test_cancelling_is_a_crash_after_which_everything_unacknowledged_comes_again() -> None:
    """At least once: what was in flight when a mapping died is delivered by the next.

    Source: How Lambda processes records from stream and queue-based event sources, Warning,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        world = World()
        world.function.takes_seconds = 10.0
        world.stream.put(*"abcd")
        crashing = world.mapping(with_settings(batch_size=2))
        running = asyncio.create_task(crashing.run())
        await asyncio.sleep(15.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        after = world.mapping(checkpoints=crashing.progress.checkpoints)
        await run_until(after, after.drained())
        assert [call.keys for call in world.function.calls] == [("a", "b"), ("c", "d"), ("c", "d")]

    simulate(scenario())


def test_drained_waits_for_what_was_there_and_not_for_what_comes_after() -> None:
    """Records that keep coming do not keep drained() from returning. Source: ours."""

    async def scenario() -> None:
        world = World()
        world.function.takes_seconds = 0.5
        mapping = world.mapping(with_settings(batch_size=10))
        before = world.stream.put(*"abcdefghijklmnopqrst")

        async def keep_putting() -> None:
            while True:
                world.stream.put("z")
                await asyncio.sleep(0.1)

        async def drain() -> None:
            putting = asyncio.create_task(keep_putting())
            await mapping.drained()
            putting.cancel()

        await run_until(mapping, drain())
        delivered = {number for batch in world.function.batches for number in batch}
        assert delivered >= set(before)
        assert world.clock.seconds < 5.0

    simulate(scenario())


def test_drained_waits_for_a_record_being_retried_and_for_children() -> None:
    """Nothing in the stream is unfinished when drained() returns, whatever shard it is in. Source: ours."""

    async def scenario() -> None:
        world = World()
        answers = iter([failing(""), failing("")])
        world.function.respond = lambda _: next(answers, None)
        world.stream.put("a")
        left, right = world.stream.split("shardId-000000000000")
        world.stream.put("b", shard=world.stream.merge(left, right))
        mapping = await world.drain()
        assert mapping.progress.records_acknowledged == 2
        assert mapping.progress.shards_finished == 3

    simulate(scenario())


def test_progress_tells_how_far_behind_it_is() -> None:
    """IteratorAge is the age of records when they are processed; here that of the oldest one unfinished.

    Source: Types of metrics for Lambda functions, https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    async def scenario() -> None:
        world = World()
        world.function.takes_seconds = 30.0
        world.stream.put("a", "b", age_seconds=100)
        mapping = world.mapping()

        async def watch() -> None:
            await asyncio.sleep(10.0)
            progress = mapping.progress
            assert (progress.records_read, progress.invocations_in_flight) == (2, 1)
            assert progress.iterator_age_ms == 110_000
            await mapping.drained()
            assert mapping.progress.iterator_age_ms == 0

        await run_until(mapping, watch())

    simulate(scenario())


def test_a_mapping_runs_once() -> None:
    """Its figures and checkpoints are those of one run. Source: ours."""

    async def scenario() -> None:
        mapping = await World().drain()
        with pytest.raises(RuntimeError, match="runs once"):
            await mapping.run()

    simulate(scenario())


def test_the_starting_time_cannot_lie_in_the_future() -> None:
    """StartingPositionTimestamp cannot be in the future.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    async def scenario() -> None:
        settings = with_settings(
            starting_position=StartingPosition.AT_TIMESTAMP,
            starting_position_timestamp=BEGINNING + timedelta(seconds=1),
        )
        with pytest.raises(InvalidSettingError, match="not in the future"):
            World().mapping(settings)

    simulate(scenario())


def test_the_same_scenario_runs_the_same_way_twice() -> None:
    """With simulated time a run can be repeated exactly. Source: ours."""

    async def scenario() -> list[tuple[float, str, tuple[str, ...]]]:
        world = World(shard_count=3)
        answers = iter(range(1_000))
        world.function.respond = lambda call: (
            failing(call.sequence_numbers[-1]) if next(answers) % 3 == 0 else None
        )
        for shard in range(3):
            world.stream.put(*"abcdefghijklmnop", shard=f"shardId-{shard:012}")
        await world.drain(with_settings(parallelization_factor=3, batch_size=2))
        return [(call.at_seconds, call.shard_id, call.sequence_numbers) for call in world.function.calls]

    assert simulate(scenario()) == simulate(scenario())
