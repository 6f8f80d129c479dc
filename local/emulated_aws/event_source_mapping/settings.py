"""The settings of an event source mapping, under AWS's names and within AWS's limits."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_INFINITE = -1


class InvalidSettingError(ValueError):
    """A setting that AWS would refuse; names the field, its value and what is accepted."""

    def __init__(self, field: str, value: object, accepted: str) -> None:
        super().__init__(f"{field} is {value!r}; accepted: {accepted}")


class StartingPosition(StrEnum):
    """Where a mapping without a checkpoint begins to read."""

    TRIM_HORIZON = "TRIM_HORIZON"
    LATEST = "LATEST"
    AT_TIMESTAMP = "AT_TIMESTAMP"


@dataclass(frozen=True, kw_only=True)
class MappingSettings:
    """The settings of one event source mapping.

    The limits are those of the API reference's CreateEventSourceMapping
    (https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html). AWS does not publish
    how long it waits between retries: here `retry_base_seconds` doubles with every failure in a row, up to
    `retry_cap_seconds`. Nor does AWS publish what happens to a batch whose first record is reported. With
    `bisect_reported_batch` and bisecting on it is bisected as after an error, as a recording shows (ADR 8).
    Without, it is delivered again whole, which is harder on a function. A shard is polled "at a base rate of
    once per second" (Using Lambda with Kinesis).

    Raises:
        InvalidSettingError: a value that AWS would refuse.
    """

    mapping_uuid: str
    stream_arn: str
    function_arn: str
    role_arn: str
    starting_position: StartingPosition
    starting_position_timestamp: datetime | None = None
    batch_size: int = 100
    maximum_batching_window_in_seconds: int = 0
    parallelization_factor: int = 1
    maximum_retry_attempts: int = _INFINITE
    maximum_record_age_in_seconds: int = _INFINITE
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    bisect_reported_batch: bool = False
    poll_interval_seconds: float = 1.0
    shard_discovery_interval_seconds: float = 10.0
    retry_base_seconds: float = 1.0
    retry_cap_seconds: float = 60.0

    def __post_init__(self) -> None:
        self._check_range("batch_size", 1, 10_000)
        self._check_range("maximum_batching_window_in_seconds", 0, 300)
        self._check_range("parallelization_factor", 1, 10)
        self._check_range("maximum_retry_attempts", 0, 10_000, infinite=True)
        self._check_range("maximum_record_age_in_seconds", 60, 604_800, infinite=True)
        for field in ("poll_interval_seconds", "shard_discovery_interval_seconds", "retry_base_seconds"):
            if not (value := getattr(self, field)) > 0:
                raise InvalidSettingError(field, value, "more than 0")
        if not self.retry_cap_seconds >= self.retry_base_seconds:
            raise InvalidSettingError(
                "retry_cap_seconds",
                self.retry_cap_seconds,
                f"at least retry_base_seconds, {self.retry_base_seconds}",
            )
        if self.stream_arn.count(":") < 5:
            raise InvalidSettingError(
                "stream_arn", self.stream_arn, "arn:aws:kinesis:<region>:<account>:stream/<name>"
            )
        self._check_timestamp()

    def _check_range(self, field: str, low: int, high: int, *, infinite: bool = False) -> None:
        value = getattr(self, field)
        if type(value) is int and (low <= value <= high or (infinite and value == _INFINITE)):
            return
        raise InvalidSettingError(field, value, f"{'-1 (infinite) or ' if infinite else ''}{low} to {high}")

    def _check_timestamp(self) -> None:
        timestamp = self.starting_position_timestamp
        if self.starting_position is not StartingPosition.AT_TIMESTAMP:
            if timestamp is not None:
                raise InvalidSettingError(
                    "starting_position_timestamp", timestamp, "only with starting_position AT_TIMESTAMP"
                )
        elif timestamp is None or timestamp.tzinfo is None:
            raise InvalidSettingError(
                "starting_position_timestamp", timestamp, "a timezone-aware time, required with AT_TIMESTAMP"
            )

    def retries_left(self, retries: int) -> bool:
        """Return whether a batch with so many retries may be retried once more."""
        return self.maximum_retry_attempts == _INFINITE or retries < self.maximum_retry_attempts

    def too_old(self, age_seconds: float) -> bool:
        """Return whether a record of that age is discarded instead of sent."""
        limit = self.maximum_record_age_in_seconds
        return limit != _INFINITE and age_seconds > limit
