"""What is kept of a discarded batch, and what if it cannot be kept."""

import json
import re

from local.emulated_aws.event_source_mapping import FunctionError
from tests.support.simulated_mapping import SETTINGS, SHARD, Call, World, failing, run_until, with_settings
from tests.support.simulated_time import simulate

_DISCARD = with_settings(maximum_retry_attempts=1)


def err(_: Call) -> object:
    raise FunctionError("Task timed out after 30.00 seconds")


def test_the_object_is_named_as_documented() -> None:
    """aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>, in UTC.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    Example Amazon S3 invocation record, https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        world = World(err)
        world.stream.put("a")
        await world.drain(_DISCARD)
        [key] = world.failures.objects
        assert re.fullmatch(
            rf"aws/lambda/{SETTINGS.mapping_uuid}/{SHARD}/2026/03/01/2026-03-01T12\.00\.01-[0-9a-f-]{{36}}",
            key,
        )

    simulate(scenario())


def test_the_object_holds_the_whole_invocation() -> None:
    """The invocation record has the documented fields, and in payload the event as an escaped JSON string.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    Example Amazon S3 invocation record, https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        world = World(err)
        first, _, last = world.stream.put("a", "b", "é", data=b'{"product_id": "p"}', age_seconds=0.5)
        await world.drain(_DISCARD)
        [body] = world.failures.objects.values()
        document = json.loads(body)
        assert json.loads(document.pop("payload")) == world.function.calls[-1].event
        assert re.fullmatch(r"[0-9a-f-]{36}", document["requestContext"].pop("requestId"))
        assert document == {
            "requestContext": {
                "functionArn": SETTINGS.function_arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2026-03-01T12:00:01.000Z",
            "KinesisBatchInfo": {
                "shardId": SHARD,
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "approximateArrivalOfFirstRecord": "2026-03-01T11:59:59.500Z",
                "approximateArrivalOfLastRecord": "2026-03-01T11:59:59.500Z",
                "batchSize": 3,
                "streamArn": SETTINGS.stream_arn,
            },
        }

    simulate(scenario())


def test_a_function_that_answered_has_no_function_error() -> None:
    """When the retries were used up by partial batch responses, functionError is null.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, and LocalStack's
    AWS-validated snapshot test_kinesis_report_batch_item_failures for the null
    """

    async def scenario() -> None:
        world = World(lambda call: failing(call.sequence_numbers[0]))
        world.stream.put("a")
        await world.drain(_DISCARD)
        [body] = world.failures.objects.values()
        assert json.loads(body)["responseContext"]["functionError"] is None

    simulate(scenario())


def test_a_record_that_was_too_old_has_no_response() -> None:
    """The condition is RecordAgeExceeded, without responseContext; one invocation is counted at least.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, whose example shows only
    the other condition; this one is that of LocalStack's AWS-validated snapshot
    test_kinesis_maximum_record_age_exceeded[expire-before-ingestion]
    """

    async def scenario() -> None:
        world = World()
        world.stream.put("a", age_seconds=61)
        await world.drain(with_settings(maximum_record_age_in_seconds=60))
        [body] = world.failures.objects.values()
        document = json.loads(body)
        assert document["requestContext"]["condition"] == "RecordAgeExceeded"
        assert document["requestContext"]["approximateInvokeCount"] == 1
        assert "responseContext" not in document
        assert not world.function.calls

    simulate(scenario())


def test_records_are_not_passed_over_while_the_destination_refuses_them() -> None:
    """Every refused delivery counts in DestinationDeliveryFailures; the shard waits until one is taken.

    AWS documents the metric, not what becomes of the batch ("Lambda discards the records and continues"):
    waiting is ours, so that nothing is lost.
    Source: Types of metrics for Lambda functions, https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    async def scenario() -> None:
        world = World()
        bad, good = world.stream.put("a", "b")
        world.function.respond = lambda call: err(call) if bad in call.sequence_numbers else None
        world.failures.refuse = 4
        mapping = await world.drain(with_settings(batch_size=1, maximum_retry_attempts=0))
        assert world.function.batches == [(bad,), (good,)]
        assert world.function.times == [0.0, 15.0]
        assert mapping.progress.destination_delivery_failures == 4
        assert len(world.failures.objects) == 1

    simulate(scenario())


def test_a_batch_the_destination_never_took_is_not_passed_by_the_checkpoint() -> None:
    """What could be neither processed nor kept is delivered again by the next mapping.

    Source: at least once, How Lambda processes records from stream and queue-based event sources,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        world = World(err)
        world.failures.refuse = 1_000_000
        world.stream.put("a")
        mapping = await world.run_for(3600.0, with_settings(maximum_retry_attempts=0))
        assert (mapping.progress.checkpoints, mapping.progress.records_discarded) == ({}, 0)

    simulate(scenario())


def test_without_a_destination_records_are_discarded_all_the_same() -> None:
    """A destination is optional; without one Lambda discards the records and continues.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        world = World(err)
        world.stream.put("a")
        mapping = world.mapping(_DISCARD, keep_failures=False)
        await run_until(mapping, mapping.drained())
        assert mapping.progress.records_discarded == 1

    simulate(scenario())
