"""Our mapping reads the deployed stream with the deployed mapping's settings."""

from local.deploy.smoke_test import mapping_settings
from local.emulated_aws.event_source_mapping import MappingSettings, StartingPosition

_DEPLOYED = {
    "UUID": "59629d5c-1a95-4652-8969-76c75187b6f9",
    "EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/inventory-updates-dev",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:inventory-processor-dev",
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 5,
    "ParallelizationFactor": 2,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": 86_400,
    "BisectBatchOnFunctionError": True,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}


def test_settings() -> None:
    assert mapping_settings(
        _DEPLOYED, role_arn="arn:aws:iam::123456789012:role/processor"
    ) == MappingSettings(
        mapping_uuid="59629d5c-1a95-4652-8969-76c75187b6f9",
        stream_arn="arn:aws:kinesis:us-east-1:123456789012:stream/inventory-updates-dev",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:inventory-processor-dev",
        role_arn="arn:aws:iam::123456789012:role/processor",
        starting_position=StartingPosition.TRIM_HORIZON,
        batch_size=100,
        maximum_batching_window_in_seconds=5,
        parallelization_factor=2,
        maximum_retry_attempts=-1,
        maximum_record_age_in_seconds=86_400,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        poll_interval_seconds=0.25,
    )


def test_features_that_the_deployed_mapping_does_not_use() -> None:
    actual = mapping_settings(
        {**_DEPLOYED, "FunctionResponseTypes": [], "BisectBatchOnFunctionError": False}, role_arn="role"
    )
    assert not actual.report_batch_item_failures
    assert not actual.bisect_batch_on_function_error
