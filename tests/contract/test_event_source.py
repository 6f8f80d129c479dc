"""The deployed event source mapping: the local one accepts its settings, and the processor relies on them."""

import pytest

from local.emulated_aws.event_source_mapping import MappingSettings, StartingPosition
from processor.poison_records import SUSPECT_AGE_MS
from tests.support.deployed_functions import (
    ACCOUNT_ID,
    ENVIRONMENTS_BY_STACK,
    STACK_IDS,
    block_of,
    processor,
    sibling,
)
from tests.support.deployed_mapping import mapping_settings
from tests.support.synthesized import Stack


def settings_of(stack: Stack) -> MappingSettings:
    """Return what is deployed, as the local mapping takes it."""
    return mapping_settings(
        stack.only("aws_lambda_event_source_mapping"),
        stream_arn=f"arn:aws:kinesis:us-east-1:{ACCOUNT_ID}:stream/inventory-updates",
        function_arn="function",
        role_arn="role",
    )


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_local_mapping_takes_the_deployed_settings(stacks: dict[str, Stack], stack_id: str) -> None:
    config = ENVIRONMENTS_BY_STACK[stack_id].event_source
    settings = settings_of(stacks[stack_id])
    assert settings.batch_size == config.batch_size
    assert settings.maximum_batching_window_in_seconds == config.window_seconds
    assert settings.parallelization_factor == config.parallelization_factor
    # Records that were put before the mapping was created count too.
    assert settings.starting_position is StartingPosition.TRIM_HORIZON
    # Without it every response of the processor would count as success.
    assert settings.report_batch_item_failures
    # The processor raises unexpected errors, so that Lambda isolates the record that causes them.
    assert settings.bisect_batch_on_function_error


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_the_processor_rejects_a_record_that_kills_before_lambda_discards_it(
    stacks: dict[str, Stack], stack_id: str
) -> None:
    settings = settings_of(stacks[stack_id])
    assert settings.retries_left(10_000)
    assert not settings.too_old(2 * SUSPECT_AGE_MS / 1000)
    assert settings.too_old(24 * 60 * 60 + 1)


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_it_connects_the_stream_the_processor_and_quarantine(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    declared = stack.only("aws_lambda_event_source_mapping")
    assert block_of(stack, declared["event_source_arn"]) is stack.only("aws_kinesis_stream")
    assert declared["destination_config"] == {
        "on_failure": {"destination_arn": sibling(processor(stack).variables["QUARANTINE_BUCKET"], "arn")}
    }
