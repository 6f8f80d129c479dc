"""Function errors, throttles and age: what is retried, bisected or discarded, and when."""

import asyncio

import pytest

from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError
from tests.support.simulated_mapping import Call, Respond, Simulation, failing, run_until, with_settings
from tests.support.simulated_time import simulate


def err(_: Call) -> object:
    raise FunctionError("Unhandled")


def throttle(_: Call) -> object:
    raise FunctionNotReachedError("TooManyRequestsException")


def first_calls(count: int, respond: Respond) -> Respond:
    """Return a response function that calls `respond` so many times, then succeeds."""
    calls = iter(range(count))
    return lambda call: respond(call) if next(calls, None) is not None else None


def test_a_batch_is_retried_until_its_retries_are_used_up_then_discarded() -> None:
    """MaximumRetryAttempts: discard records after the specified number of retries, and continue.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        bad = tuple(simulation.stream.put("a", "b"))
        good = tuple(simulation.stream.put("c", "d"))
        simulation.function.respond = lambda call: err(call) if call.sequence_numbers == bad else None
        mapping = await simulation.run_until_done(with_settings(batch_size=2, maximum_retry_attempts=2))
        assert simulation.function.batches == [bad, bad, bad, good]
        assert (mapping.progress.records_discarded, mapping.progress.records_acknowledged) == (2, 2)
        assert mapping.progress.checkpoints == {"shardId-000000000000": good[-1]}

    simulate(scenario())


def test_without_retries_a_batch_is_delivered_once() -> None:
    """MaximumRetryAttempts 0 is allowed: one invocation, then the records are discarded.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    async def scenario() -> None:
        simulation = Simulation(err)
        simulation.stream.put(*"ab")
        await simulation.run_until_done(with_settings(maximum_retry_attempts=0))
        assert simulation.function.sizes == [2]

    simulate(scenario())


def test_by_default_a_bad_batch_blocks_its_shard_and_only_that() -> None:
    """With the default settings, a bad record can block processing on the affected shard.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation(shard_count=2)
        bad, _ = simulation.stream.put("a", "b")
        other = simulation.stream.put("c", shard="shardId-000000000001")
        simulation.function.respond = lambda call: err(call) if bad in call.sequence_numbers else None
        mapping = await simulation.run_for(3600.0, with_settings(batch_size=1))
        assert {call.sequence_numbers for call in simulation.function.calls} == {(bad,), tuple(other)}
        assert mapping.progress.records_acknowledged == 1
        assert mapping.progress.checkpoints == {"shardId-000000000001": other[0]}

    simulate(scenario())


def test_the_wait_between_retries_doubles_up_to_a_cap() -> None:
    """Lambda waits longer after each failure; how long is not documented, so it is a setting.

    Source: Understanding retry behavior in Lambda, https://docs.aws.amazon.com/lambda/latest/dg/invocation-retries.html
    says only that event source mappings retry the batch until it succeeds or expires.
    """

    async def scenario() -> None:
        simulation = Simulation(first_calls(6, err))
        simulation.stream.put("a", "b")
        await simulation.run_until_done(
            with_settings(batch_size=1, retry_base_seconds=1.0, retry_cap_seconds=10.0)
        )
        assert simulation.function.times == [0.0, 1.0, 3.0, 7.0, 15.0, 25.0, 35.0, 35.0]

    simulate(scenario())


def test_an_error_bisects_the_batch_and_both_halves_come_in_order() -> None:
    """BisectBatchOnFunctionError splits a failed batch in two, isolating bad records.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        put = simulation.stream.put(*"abcdefgh")
        bad = put[2]
        simulation.function.respond = lambda call: err(call) if bad in call.sequence_numbers else None
        mapping = await simulation.run_until_done(
            with_settings(bisect_batch_on_function_error=True, maximum_retry_attempts=1)
        )
        a, b, _, d, *others = put
        assert simulation.function.batches == [
            tuple(put), (a, b, bad, d), (a, b), (bad, d), (bad,), (bad,), (d,), tuple(others)
        ]  # fmt: skip
        assert mapping.progress.records_discarded == 1

    simulate(scenario())


def test_splitting_uses_up_no_retries() -> None:
    """Splitting batches doesn't consume the retry quota: without retries a bad record is still isolated.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        put = simulation.stream.put(*"abcdefgh")
        simulation.function.respond = lambda call: err(call) if put[7] in call.sequence_numbers else None
        mapping = await simulation.run_until_done(
            with_settings(bisect_batch_on_function_error=True, maximum_retry_attempts=0)
        )
        assert simulation.function.sizes == [8, 4, 4, 2, 2, 1, 1]
        assert (mapping.progress.records_acknowledged, mapping.progress.records_discarded) == (7, 1)

    simulate(scenario())


def test_parts_keep_the_retries_their_batch_has_used() -> None:
    """Only splitting is free: retries made before a split count for both parts.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        a, b, c = simulation.stream.put(*"abc")

        def respond(call: Call) -> object:
            return failing(a) if len(simulation.function.calls) == 1 else err(call)

        simulation.function.respond = respond
        mapping = await simulation.run_until_done(
            with_settings(bisect_batch_on_function_error=True, maximum_retry_attempts=1)
        )
        assert simulation.function.batches == [(a, b, c), (a, b, c), (a,), (b, c), (b,), (c,)]
        assert mapping.progress.records_discarded == 3

    simulate(scenario())


def test_after_a_success_the_wait_is_short_again() -> None:
    """Only failures in a row make the wait longer. Source: ours, as is the wait."""

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put(*"ab")
        fails = iter([True, True, False, True, False])
        simulation.function.respond = lambda call: err(call) if next(fails) else None
        await simulation.run_until_done(with_settings(batch_size=1))
        assert simulation.function.times == [0.0, 1.0, 3.0, 3.0, 4.0]

    simulate(scenario())


def test_after_a_split_the_batch_size_is_as_before() -> None:
    """When an error splits a batch, "your original batch size setting remains unchanged".

    Source: Using Lambda with Kinesis, event source options, https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation(first_calls(1, err))
        simulation.stream.put(*"abcdefgh")
        await simulation.run_until_done(with_settings(batch_size=4, bisect_batch_on_function_error=True))
        assert simulation.function.sizes == [4, 2, 2, 4]

    simulate(scenario())


def test_a_throttled_function_is_retried_without_using_up_retries() -> None:
    """Retry attempts do not apply to service errors or throttles where the batch didn't reach the function.

    Source: Using Lambda with Kinesis, event source options, https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html;
    throttles count neither as invocations nor as errors, Types of metrics for Lambda functions,
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    async def scenario() -> None:
        simulation = Simulation(first_calls(5, throttle))
        simulation.stream.put(*"abcd")
        mapping = await simulation.run_until_done(
            with_settings(maximum_retry_attempts=0, bisect_batch_on_function_error=True)
        )
        assert simulation.function.sizes == [4] * 6
        progress = mapping.progress
        assert (progress.throttles, progress.invocations, progress.function_errors) == (5, 1, 0)
        assert progress.records_acknowledged == 4

    simulate(scenario())


@pytest.mark.parametrize("respond", [err, throttle], ids=["error", "throttle"])
def test_records_that_grow_too_old_are_discarded(respond: Respond) -> None:
    """Errors and throttles are retried until the records exceed MaximumRecordAgeInSeconds.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation(respond)
        simulation.stream.put("a")
        mapping = await simulation.run_until_done(with_settings(maximum_record_age_in_seconds=60))
        assert simulation.function.times == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]
        assert mapping.progress.records_discarded == 1
        [body] = simulation.failures.objects.values()
        assert b'"condition":"RecordAgeExceeded"' in body

    simulate(scenario())


def test_only_the_records_that_are_too_old_are_discarded() -> None:
    """Lambda sends no record older than the maximum age; younger ones of the same batch are delivered.

    Source: CreateEventSourceMapping, "Discard records older than the specified age",
    https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html; as in LocalStack's
    AWS-validated snapshot test_kinesis_maximum_record_age_exceeded_discard_records
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a", age_seconds=80)
        young = simulation.stream.put("b", "c", age_seconds=60)
        simulation.stream.put("d", age_seconds=61)
        last = simulation.stream.put("e")
        mapping = await simulation.run_until_done(
            with_settings(maximum_record_age_in_seconds=60, maximum_retry_attempts=0)
        )
        assert simulation.function.batches == [tuple(young), tuple(last)]
        assert (mapping.progress.records_discarded, len(simulation.failures.objects)) == (2, 2)

    simulate(scenario())


def test_with_infinite_age_nothing_is_too_old() -> None:
    """-1 means infinite: Lambda never discards old records.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a", age_seconds=30 * 86_400)
        mapping = await simulation.run_until_done(with_settings(maximum_record_age_in_seconds=-1))
        assert mapping.progress.records_acknowledged == 1

    simulate(scenario())


def test_a_failing_shard_is_read_ahead_only_a_little() -> None:
    """Lambda stops processing additional records in a shard if the function returns an error.

    Source: Using Lambda with Kinesis, https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation(err)
        simulation.stream.page_size = 10

        async def put() -> None:
            for _ in range(100):
                simulation.stream.put(*"abcdefghij")
                await asyncio.sleep(1.0)

        mapping = simulation.mapping(with_settings(batch_size=10))
        await run_until(mapping, put())
        assert mapping.progress.records_read == 20

    simulate(scenario())
