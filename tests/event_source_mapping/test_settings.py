"""Settings that AWS would refuse are refused, with name, value and range."""

from datetime import UTC, datetime

import pytest

from local.emulated_aws.event_source_mapping import InvalidSettingError, StartingPosition
from tests.support.simulated_mapping import with_settings


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("batch_size", 0, "1 to 10000"),
        ("batch_size", 10_001, "1 to 10000"),
        ("batch_size", 10.0, "1 to 10000"),
        ("batch_size", True, "1 to 10000"),
        ("maximum_batching_window_in_seconds", -1, "0 to 300"),
        ("maximum_batching_window_in_seconds", 301, "0 to 300"),
        ("parallelization_factor", 0, "1 to 10"),
        ("parallelization_factor", 11, "1 to 10"),
        ("maximum_retry_attempts", -2, r"-1 \(infinite\) or 0 to 10000"),
        ("maximum_retry_attempts", 10_001, r"-1 \(infinite\) or 0 to 10000"),
        ("maximum_record_age_in_seconds", 0, r"-1 \(infinite\) or 60 to 604800"),
        ("maximum_record_age_in_seconds", 59, r"-1 \(infinite\) or 60 to 604800"),
        ("maximum_record_age_in_seconds", 604_801, r"-1 \(infinite\) or 60 to 604800"),
        ("starting_position_timestamp", datetime(2026, 3, 1, tzinfo=UTC), "only with starting_position"),
        ("poll_interval_seconds", 0.0, "more than 0"),
        ("shard_discovery_interval_seconds", -1.0, "more than 0"),
        ("retry_base_seconds", float("nan"), "more than 0"),
        ("retry_cap_seconds", 0.5, "at least retry_base_seconds, 1.0"),
        ("stream_arn", "inventory-updates-dev", "arn:aws:kinesis:"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(field: str, value: object, accepted: str) -> None:
    """Valid ranges of batch size, window, parallelization factor, retries and age.

    Sources: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html;
    ages between -1 and 60 are not allowed, EventSourceMappingConfiguration,
    https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
    """
    with pytest.raises(InvalidSettingError, match=rf"^{field} is .*; accepted: {accepted}"):
        with_settings(**{field: value})


@pytest.mark.parametrize("timestamp", [None, datetime(2026, 3, 1)])  # noqa: DTZ001
def test_at_timestamp_needs_a_time_with_a_zone(timestamp: datetime | None) -> None:
    """With StartingPosition set to AT_TIMESTAMP, StartingPositionTimestamp is the time to start from.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """
    with pytest.raises(InvalidSettingError, match="starting_position_timestamp"):
        with_settings(starting_position=StartingPosition.AT_TIMESTAMP, starting_position_timestamp=timestamp)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("batch_size", (1, 10_000)),
        ("maximum_batching_window_in_seconds", (0, 300)),
        ("parallelization_factor", (1, 10)),
        ("maximum_retry_attempts", (-1, 0, 10_000)),
        ("maximum_record_age_in_seconds", (-1, 60, 604_800)),
    ],
)
def test_the_ends_of_a_range_are_accepted(field: str, values: tuple[int, ...]) -> None:
    """Both ends, and -1 where it means infinite.

    Source: CreateEventSourceMapping, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """
    assert [getattr(with_settings(**{field: value}), field) for value in values] == list(values)
