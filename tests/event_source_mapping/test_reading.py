"""Where reading begins, and what happens when a read fails."""

import asyncio
from datetime import timedelta

from local.emulated_aws.event_source_mapping import StartingPosition
from tests.support.simulated_mapping import BEGINNING, SHARD, Simulation, run_until, with_settings
from tests.support.simulated_time import simulate


def test_trim_horizon_processes_all_records_in_the_stream() -> None:
    """TRIM_HORIZON: process all records in the stream.

    Source: Lambda parameters for Kinesis event source mappings,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        put = simulation.stream.put(*"abc", age_seconds=3600)
        await simulation.run_until_done()
        assert simulation.function.batches == [tuple(put)]

    simulate(scenario())


def test_latest_processes_records_added_from_now_on() -> None:
    """LATEST: process new records that are added to the stream; closed shards are ignored.

    Source: Lambda parameters for Kinesis event source mappings,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("old")
        left, _ = simulation.stream.split(SHARD)
        simulation.stream.put("old", shard=left)
        simulation.stream.fail_reads = 5
        mapping = simulation.mapping(with_settings(starting_position=StartingPosition.LATEST))

        async def put_new() -> None:
            await asyncio.sleep(2.5)
            simulation.stream.put("new", shard=left)
            await mapping.wait_until_done()

        await run_until(mapping, put_new())
        assert [call.keys for call in simulation.function.calls] == [("new",)]

    simulate(scenario())


def test_at_timestamp_processes_records_from_that_time() -> None:
    """AT_TIMESTAMP: process records starting from a specific time.

    Source: Lambda parameters for Kinesis event source mappings,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("before", age_seconds=61)
        simulation.stream.put("from", age_seconds=60)
        await simulation.run_until_done(
            with_settings(
                starting_position=StartingPosition.AT_TIMESTAMP,
                starting_position_timestamp=BEGINNING - timedelta(seconds=60),
            )
        )
        assert [call.keys for call in simulation.function.calls] == [("from",)]

    simulate(scenario())


def test_an_expired_iterator_is_replaced_by_one_after_the_last_record_read() -> None:
    """A shard iterator expires after five minutes; AFTER_SEQUENCE_NUMBER gets another one.

    Source: GetShardIterator, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        mapping = simulation.mapping()

        async def expire_between() -> None:
            simulation.stream.put("a", "b")
            await mapping.wait_until_done()
            simulation.stream.expire_iterators()
            simulation.stream.put("c")
            await mapping.wait_until_done()

        await run_until(mapping, expire_between())
        assert [call.keys for call in simulation.function.calls] == [("a", "b"), ("c",)]

    simulate(scenario())


def test_no_record_is_missed_when_the_first_iterator_at_latest_expires() -> None:
    """LATEST is just after the newest record: a second iterator would skip the records in between.

    Source: GetShardIterator, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("old", age_seconds=1)
        mapping = simulation.mapping(with_settings(starting_position=StartingPosition.LATEST))

        async def put_then_expire() -> None:
            await asyncio.sleep(10.5)
            simulation.stream.put("new")
            simulation.stream.expire_iterators()
            await mapping.wait_until_done()

        await run_until(mapping, put_then_expire())
        assert [call.keys for call in simulation.function.calls] == [("new",)]

    simulate(scenario())


def test_throttled_reads_back_off_and_lose_nothing() -> None:
    """A read throttled by ProvisionedThroughputExceededException is retried after growing waits.

    Source: GetRecords, https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put(*"abc")
        simulation.stream.fail_reads = 4
        simulation.stream.fail_listings = 1
        mapping = await simulation.run_until_done()
        assert simulation.stream.read_at[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
        assert mapping.progress.read_failures == 5
        assert mapping.progress.records_acknowledged == 3

    simulate(scenario())


def test_another_mapping_resumes_from_the_checkpoints() -> None:
    """Lambda keeps track of the last record processed and resumes from that point when it is enabled again.

    Source: Using Lambda with Kinesis, event source options,
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a", "b")
        first = await simulation.run_until_done()
        left, _ = simulation.stream.split(SHARD)
        simulation.stream.put("c", shard=left)
        second = simulation.mapping(
            with_settings(starting_position=StartingPosition.LATEST), checkpoints=first.progress.checkpoints
        )
        await run_until(second, second.wait_until_done())
        assert [call.keys for call in simulation.function.calls] == [("a", "b"), ("c",)]

    simulate(scenario())
