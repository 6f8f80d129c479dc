"""What a response says about its batch, and what is delivered again."""

import pytest

from tests.simulated_time import simulate

from .simulation import Call, World, failing, with_settings


@pytest.mark.parametrize(
    "response",
    [{"batchItemFailures": []}, {"batchItemFailures": None}, {}, None, ""],
    ids=["empty list", "null list", "empty response", "null response", "empty string"],
)
def test_complete_success(response: object) -> None:
    """An empty or null batchItemFailures list and an empty or null response are a complete success.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    (the empty string: LocalStack's AWS-validated snapshot empty_string_success)
    """

    async def scenario() -> None:
        world = World(lambda _: response)
        world.stream.put(*"abc")
        mapping = await world.drain()
        assert (world.function.sizes, mapping.progress.records_acknowledged) == ([3], 3)

    simulate(scenario())


@pytest.mark.parametrize(
    "failures",
    [
        [{"itemIdentifier": ""}],
        [{"itemIdentifier": None}],
        [{"foo": "9"}],
        [{"itemIdentifier": 9}],
        [{"itemIdentifier": "123"}],
        [{"itemIdentifier": "9"}, {"itemIdentifier": ""}],
        ["9"],
        "9",
    ],
    ids=["empty", "null", "wrong key", "number", "not in the batch", "one of two empty", "bare", "no list"],
)
def test_complete_failure(failures: object) -> None:
    """An empty or null itemIdentifier, or a wrong key, fails the whole batch, whatever else it names.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    (not in the batch: LocalStack's AWS-validated snapshot item_identifier_not_present_failure)
    """

    async def scenario() -> None:
        world = World()
        world.function.respond = lambda _: (
            {"batchItemFailures": failures} if len(world.function.calls) == 1 else None
        )
        batch = tuple(world.stream.put(*"abc"))
        mapping = await world.drain()
        assert world.function.batches == [batch, batch]
        assert mapping.progress.reported_failures == 1

    simulate(scenario())


def test_the_lowest_sequence_number_is_the_checkpoint() -> None:
    """Of several identifiers the lowest, as a number, is the checkpoint; all records from it come again.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda, Report syntax,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """

    async def scenario() -> None:
        world = World()
        assert world.stream.put(*"abcd") == ["8", "9", "10", "11"]
        world.function.respond = lambda _: (
            failing("11", "10", "9") if len(world.function.calls) == 1 else None
        )
        await world.drain()
        assert world.function.batches == [("8", "9", "10", "11"), ("9", "10", "11")]

    simulate(scenario())


def test_a_response_is_not_looked_at_unless_the_feature_is_on() -> None:
    """Without ReportBatchItemFailures a partial batch response is not processed: the batch succeeded.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda, Note,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """

    async def scenario() -> None:
        world = World(lambda call: failing(call.sequence_numbers[0]))
        world.stream.put(*"abc")
        await world.drain(with_settings(report_batch_item_failures=False))
        assert world.function.sizes == [3]

    simulate(scenario())


def test_without_bisecting_a_partial_response_uses_up_a_retry() -> None:
    """All records from the checkpoint are retried, and each redelivery counts, also after some were done.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda, Report syntax,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html. The figures are
    those of LocalStack's AWS-validated snapshot test_kinesis_report_batch_item_failures: batch size 3, three
    retries, the sixth record fails: four invocations of its batch, one record discarded.
    """

    async def scenario() -> None:
        world = World()
        *_, last = world.stream.put(*"abcdef")
        world.function.respond = lambda call: failing(last) if last in call.sequence_numbers else None
        mapping = await world.drain(with_settings(batch_size=3, maximum_retry_attempts=3))
        assert world.function.sizes == [3, 3, 1, 1, 1]
        [body] = world.failures.objects.values()
        assert b'"approximateInvokeCount":4' in body
        assert mapping.progress.records_discarded == 1

    simulate(scenario())


def test_with_bisecting_the_batch_is_split_at_the_returned_sequence_number() -> None:
    """Only the remaining records are retried; the split uses up no retry, even if none is allowed.

    Sources: Configuring partial batch response with Kinesis Data Streams and Lambda, Bisecting a batch,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html;
    "Splitting batches doesn't consume the retry quota", Retain discarded batch records,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        world = World()
        put = world.stream.put(*"abcdefgh")
        bad = put[5]
        world.function.respond = lambda call: failing(bad) if bad in call.sequence_numbers else None
        await world.drain(with_settings(bisect_batch_on_function_error=True, maximum_retry_attempts=0))
        assert world.function.batches == [tuple(put), tuple(put[5:])]
        assert world.function.times == [0.0, 0.0]

    simulate(scenario())


def test_a_response_naming_the_first_record_is_a_retry_and_never_halves_the_batch() -> None:
    """Splitting at the first record leaves the whole batch: it comes again as it was, and uses up a retry.

    Source: Configuring partial batch response with Kinesis Data Streams and Lambda, Bisecting a batch,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """

    async def scenario() -> None:
        world = World(lambda call: failing(call.sequence_numbers[0]))
        batch = tuple(world.stream.put(*"abcd"))
        mapping = await world.drain(
            with_settings(bisect_batch_on_function_error=True, maximum_retry_attempts=2)
        )
        assert world.function.batches == [batch] * 3
        assert mapping.progress.records_discarded == 4

    simulate(scenario())


def test_a_function_error_halves_the_batch_whatever_is_reported() -> None:
    """If the invocation fails and bisecting is on, the batch is bisected whatever else is configured.

    A response that is a complete failure is a failure like any other ("Lambda retries failures based on your
    retry strategy"): it halves too.
    Source: Configuring partial batch response with Kinesis Data Streams and Lambda, Bisecting a batch,
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """

    async def scenario() -> None:
        world = World()
        put = world.stream.put(*"abcd")

        def respond(call: Call) -> object:
            return failing("") if len(call.sequence_numbers) == 4 else None

        world.function.respond = respond
        await world.drain(with_settings(bisect_batch_on_function_error=True))
        assert world.function.batches == [tuple(put), tuple(put[:2]), tuple(put[2:])]

    simulate(scenario())
