"""Splits and merges while the mapping runs."""

import asyncio

from local.emulated_aws.event_source_mapping import FunctionError, StartingPosition
from tests.support.simulated_mapping import SETTINGS, SHARD, Call, Simulation, run_until, with_settings
from tests.support.simulated_time import simulate


def test_children_begin_when_their_parent_is_finished() -> None:
    """After a split, read the parent until it is exhausted, then the children.

    Source: Complete the resharding action,
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        parent = simulation.stream.put(*"abcd")
        left, right = simulation.stream.split(SHARD)
        simulation.stream.put("a", "b", shard=left)
        simulation.stream.put("c", "d", shard=right)
        failures = iter(range(3))

        def fail_thrice_in_the_parent(call: Call) -> object:
            if (
                call.shard_id == SHARD
                and parent[3] in call.sequence_numbers
                and next(failures, None) is not None
            ):
                raise FunctionError("Unhandled")
            return None

        simulation.function.respond = fail_thrice_in_the_parent
        simulation.function.takes_seconds = 1.0
        mapping = await simulation.run_until_done(with_settings(batch_size=2))
        shards = [call.shard_id for call in simulation.function.calls]
        assert shards == [SHARD] * 5 + [left, right]
        assert simulation.function.most_running == 2
        assert (mapping.progress.shards_finished, mapping.progress.shards_reading) == (1, 2)

    simulate(scenario())


def test_a_child_begins_when_both_its_parents_are_finished() -> None:
    """After a merge, both parents are read until they are exhausted, then the child.

    Source: Complete the resharding action,
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
    """

    async def scenario() -> None:
        simulation = Simulation(shard_count=2)
        adjacent = "shardId-000000000001"
        slow = simulation.stream.put("b", shard=adjacent)
        simulation.stream.put("a")
        child = simulation.stream.merge(SHARD, adjacent)
        simulation.stream.put("a", "b", shard=child)
        failures = iter(range(5))

        def fail_one_parent(call: Call) -> object:
            if slow[0] in call.sequence_numbers and next(failures, None) is not None:
                raise FunctionError("Unhandled")
            return None

        simulation.function.respond = fail_one_parent
        await simulation.run_until_done()
        shards = [call.shard_id for call in simulation.function.calls]
        assert shards == [SHARD] + [adjacent] * 6 + [child]

    simulate(scenario())


def test_shards_that_appear_while_it_runs_are_found_and_read_from_their_beginning() -> None:
    """A child's records are all new, even for a mapping that began at LATEST.

    Source: Complete the resharding action,
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("old")
        mapping = simulation.mapping(with_settings(starting_position=StartingPosition.LATEST))

        async def reshard() -> None:
            await asyncio.sleep(5.5)
            simulation.stream.put("a")
            left, right = simulation.stream.split(SHARD)
            simulation.stream.put("b", shard=left)
            simulation.stream.put("c", shard=right)
            await asyncio.sleep(5.0)
            simulation.stream.put("d", shard=simulation.stream.merge(left, right))
            await mapping.wait_until_done()

        await run_until(mapping, reshard())
        assert [call.keys for call in simulation.function.calls] == [("a",), ("b",), ("c",), ("d",)]
        assert mapping.progress.shards_finished == 3

    simulate(scenario())


def test_the_last_batch_of_a_closed_shard_does_not_wait_for_its_window() -> None:
    """A closed shard takes no more records, so there is nothing left to gather.

    Source: a null NextShardIterator means the shard is closed and will return no more data, GetRecords,
    https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a")
        simulation.stream.split(SHARD)
        await simulation.run_until_done(with_settings(maximum_batching_window_in_seconds=300))
        assert simulation.function.times == [0.0]

    simulate(scenario())


def test_a_parent_past_its_retention_does_not_block_its_children() -> None:
    """Once a parent's records have expired, the shard is no longer listed; its children are read.

    Source: Complete the resharding action (closed, then expired),
    https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        left, _ = simulation.stream.split(SHARD)
        simulation.stream.trim(SHARD)
        simulation.stream.put("a", shard=left)
        mapping = await simulation.run_until_done(SETTINGS)
        assert mapping.progress.records_acknowledged == 1

    simulate(scenario())
