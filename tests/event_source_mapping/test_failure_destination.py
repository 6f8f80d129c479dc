"""What the on-failure destination keeps of a discarded batch, and what happens if it cannot."""

import json
import re

from local.emulated_aws.event_source_mapping import FunctionError
from tests.support.simulated_mapping import (
    SETTINGS,
    SHARD,
    Call,
    Simulation,
    failing,
    run_until,
    with_settings,
)
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
        simulation = Simulation(err)
        simulation.stream.put("a")
        await simulation.run_until_done(_DISCARD)
        [key] = simulation.failures.objects
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
        simulation = Simulation(err)
        first, _, last = simulation.stream.put("a", "b", "é", data=b'{"product_id": "p"}', age_seconds=0.5)
        await simulation.run_until_done(_DISCARD)
        [body] = simulation.failures.objects.values()
        document = json.loads(body)
        assert json.loads(document.pop("payload")) == simulation.function.calls[-1].event
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


def test_a_function_that_returned_a_response_has_no_function_error() -> None:
    """When the retries were used up by partial batch responses, functionError is null.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, and LocalStack's
    AWS-validated snapshot test_kinesis_report_batch_item_failures for the null
    """

    async def scenario() -> None:
        simulation = Simulation(lambda call: failing(call.sequence_numbers[0]))
        simulation.stream.put("a")
        await simulation.run_until_done(_DISCARD)
        [body] = simulation.failures.objects.values()
        assert json.loads(body)["responseContext"]["functionError"] is None

    simulate(scenario())


def test_a_record_that_was_too_old_has_no_response() -> None:
    """The condition is RecordAgeExceeded, without responseContext; at least one invocation is counted.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, whose example shows only
    the other condition; this one is that of LocalStack's AWS-validated snapshot
    test_kinesis_maximum_record_age_exceeded[expire-before-ingestion]
    """

    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a", age_seconds=61)
        await simulation.run_until_done(with_settings(maximum_record_age_in_seconds=60))
        [body] = simulation.failures.objects.values()
        document = json.loads(body)
        assert document["requestContext"]["condition"] == "RecordAgeExceeded"
        assert document["requestContext"]["approximateInvokeCount"] == 1
        assert "responseContext" not in document
        assert not simulation.function.calls

    simulate(scenario())


def test_records_are_not_skipped_while_the_destination_refuses_them() -> None:
    """Every refused delivery counts in DestinationDeliveryFailures; the shard waits until one is taken.

    AWS documents the metric, not what happens to the batch ("Lambda discards the records and continues"):
    waiting is ours, so that nothing is lost.
    Source: Types of metrics for Lambda functions, https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    async def scenario() -> None:
        simulation = Simulation()
        bad, good = simulation.stream.put("a", "b")
        simulation.function.respond = lambda call: err(call) if bad in call.sequence_numbers else None
        simulation.failures.refuse = 4
        mapping = await simulation.run_until_done(with_settings(batch_size=1, maximum_retry_attempts=0))
        assert simulation.function.batches == [(bad,), (good,)]
        assert simulation.function.times == [0.0, 15.0]
        assert mapping.progress.destination_delivery_failures == 4
        assert len(simulation.failures.objects) == 1

    simulate(scenario())


def test_the_checkpoint_does_not_skip_a_batch_that_the_destination_never_took() -> None:
    """A batch that was neither processed nor kept is delivered again by the next mapping.

    Source: at least once, How Lambda processes records from stream and queue-based event sources,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
    """

    async def scenario() -> None:
        simulation = Simulation(err)
        simulation.failures.refuse = 1_000_000
        simulation.stream.put("a")
        mapping = await simulation.run_for(3600.0, with_settings(maximum_retry_attempts=0))
        assert (mapping.progress.checkpoints, mapping.progress.records_discarded) == ({}, 0)

    simulate(scenario())


def test_without_a_destination_records_are_discarded_all_the_same() -> None:
    """A destination is optional; without one Lambda discards the records and continues.

    Source: Retain discarded batch records for a Kinesis Data Streams event source in Lambda,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """

    async def scenario() -> None:
        simulation = Simulation(err)
        simulation.stream.put("a")
        mapping = simulation.mapping(_DISCARD, keep_failures=False)
        await run_until(mapping, mapping.wait_until_done())
        assert mapping.progress.records_discarded == 1

    simulate(scenario())
