"""The deployed event source mapping's settings, converted for the local one."""

from collections.abc import Mapping
from typing import Any

from local.emulated_aws.event_source_mapping import MappingSettings, StartingPosition

_UNCHANGED = (
    "batch_size",
    "maximum_batching_window_in_seconds",
    "parallelization_factor",
    "maximum_retry_attempts",
    "maximum_record_age_in_seconds",
    "bisect_batch_on_function_error",
)
# What it connects, and arguments that only affect Terraform or CloudWatch.
_NOT_SETTINGS = frozenset(
    {"//", "depends_on", "destination_config", "event_source_arn", "function_name", "metrics_config"}
)


def mapping_settings(
    declared: Mapping[str, Any], *, stream_arn: str, function_arn: str, role_arn: str
) -> MappingSettings:
    """Return the settings of a declared `aws_lambda_event_source_mapping`, connected to these resources.

    Raises:
        ValueError: it declares an argument that the local mapping does not know.
        InvalidSettingError: AWS would refuse a value.
    """
    known = {*_UNCHANGED, *_NOT_SETTINGS, "starting_position", "function_response_types"}
    if unknown := set(declared) - known:
        raise ValueError(f"the local event source mapping does not know {', '.join(sorted(unknown))}")
    return MappingSettings(
        mapping_uuid="91eaeb7e-c976-1234-9451-8709db01f137",
        stream_arn=stream_arn,
        function_arn=function_arn,
        role_arn=role_arn,
        starting_position=StartingPosition(declared["starting_position"]),
        report_batch_item_failures=declared["function_response_types"] == ["ReportBatchItemFailures"],
        **{name: declared[name] for name in _UNCHANGED},
    )
