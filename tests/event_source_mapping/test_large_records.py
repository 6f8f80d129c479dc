"""A record that is too large for an event: a stream can be configured to take records of 10 MiB.

Sources: Handle large records, https://docs.aws.amazon.com/streams/latest/dev/large-records.html: Lambda's
6 MiB count base64 and metadata, and a larger record goes to the on-failure destination. What that page leaves
open follows recordings of AWS, September 2026: kinesis_oversized.json and kinesis_oversized_retries.json in
https://github.com/radkawar/stackd/tree/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda
"""

import base64
import json
from typing import Any

import pytest

from local.emulated_aws.event_source_mapping.payload import PAYLOAD_LIMIT_BYTES
from tests.support.simulated_mapping import Simulation, with_settings
from tests.support.simulated_time import simulate

_LARGE = b"x" * (5 * 1024 * 1024)  # as recorded; 6.7 MiB in base64


@pytest.mark.parametrize(
    ("retries", "count"),
    [(0, 1), (2, 3), (-1, 1)],
    ids=["no retries", "two retries", "without limit, which is not recorded"],
)
def test_it_is_discarded_without_an_invocation_and_the_next_one_is_delivered(
    retries: int, count: int
) -> None:
    """Its retries are counted as if they had been made; there is no responseContext.

    These rules are ours: there is no wait, `payload` has the record as for any other (SQS was recorded, not
    S3), and the record is discarded even if retries have no limit.
    """

    async def scenario() -> None:
        simulation = Simulation()
        [large] = simulation.stream.put("a", data=_LARGE)
        [small] = simulation.stream.put("b")
        mapping = await simulation.run_until_done(
            with_settings(maximum_retry_attempts=retries, bisect_batch_on_function_error=True)
        )
        assert simulation.function.batches == [(small,)]
        assert simulation.function.times == [0.0]
        progress = mapping.progress
        assert (progress.records_discarded, progress.records_acknowledged, progress.invocations) == (1, 1, 1)
        document = _kept(simulation)
        assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
        assert document["requestContext"]["approximateInvokeCount"] == count
        assert "responseContext" not in document
        assert document["KinesisBatchInfo"]["startSequenceNumber"] == large
        [record] = json.loads(document["payload"])["Records"]
        assert base64.b64decode(record["kinesis"]["data"]) == _LARGE

    simulate(scenario())


def test_records_before_and_behind_it_go_in_separate_batches() -> None:
    async def scenario() -> None:
        simulation = Simulation()
        before = simulation.stream.put("a", "b")
        simulation.stream.put("c", data=_LARGE)
        behind = simulation.stream.put("d", "e")
        await simulation.run_until_done(
            with_settings(maximum_retry_attempts=0, maximum_batching_window_in_seconds=60)
        )
        assert simulation.function.batches == [tuple(before), tuple(behind)]

    simulate(scenario())


def test_a_record_at_the_limit_is_delivered_and_one_byte_more_is_not() -> None:
    async def event_bytes(data_bytes: int, key: str) -> int | None:
        simulation = Simulation()
        simulation.stream.put(key, data=b"x" * data_bytes)
        await simulation.run_until_done(with_settings(maximum_retry_attempts=0))
        if not simulation.function.calls:
            return None
        return len(json.dumps(simulation.function.calls[0].event, separators=(",", ":")).encode())

    async def scenario() -> None:
        overhead = await event_bytes(0, "k")
        assert overhead is not None
        groups, padding = divmod(PAYLOAD_LIMIT_BYTES - overhead, 4)
        key = "k" * (1 + padding)
        assert await event_bytes(3 * groups, key) == PAYLOAD_LIMIT_BYTES
        assert await event_bytes(3 * groups, key + "k") is None

    simulate(scenario())


def test_one_that_is_too_old_is_discarded_for_its_age() -> None:
    async def scenario() -> None:
        simulation = Simulation()
        simulation.stream.put("a", data=_LARGE, age_seconds=61)
        await simulation.run_until_done(with_settings(maximum_record_age_in_seconds=60))
        assert _kept(simulation)["requestContext"]["condition"] == "RecordAgeExceeded"

    simulate(scenario())


def _kept(simulation: Simulation) -> dict[str, Any]:
    [body] = simulation.failures.objects.values()
    document: dict[str, Any] = json.loads(body)
    return document
