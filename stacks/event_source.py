"""How Lambda reads the stream: batches, retries, and what becomes of those that fail for good."""

from cdktf_cdktf_provider_aws.lambda_event_source_mapping import (
    LambdaEventSourceMapping,
    LambdaEventSourceMappingDestinationConfig,
    LambdaEventSourceMappingDestinationConfigOnFailure,
    LambdaEventSourceMappingMetricsConfig,
)
from constructs import Construct

from stacks.config.environments import Environment
from stacks.inventory_processor import InventoryProcessor
from stacks.quarantine import Quarantine
from stacks.stream import InventoryStream

_UNTIL_TOO_OLD = -1


class EventSource(Construct):
    """The event source mapping; `uuid`: its own.

    An error halves the batch until the culprit is alone; a partial response begins again at the record it
    names. Both go on until the records are older than the maximum age: then the whole invocation is kept in
    the quarantine bucket.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        stream: InventoryStream,
        processor: InventoryProcessor,
        quarantine: Quarantine,
    ) -> None:
        super().__init__(scope, id_)
        settings = config.event_source
        mapping = LambdaEventSourceMapping(
            self,
            "Mapping",
            event_source_arn=stream.arn,
            function_name=processor.arn,
            # What was put before the first deploy ended counts too.
            starting_position="TRIM_HORIZON",
            batch_size=settings.batch_size,
            maximum_batching_window_in_seconds=settings.window_seconds,
            parallelization_factor=settings.parallelization_factor,
            function_response_types=["ReportBatchItemFailures"],
            bisect_batch_on_function_error=True,
            maximum_record_age_in_seconds=settings.maximum_record_age_hours * 60 * 60,
            maximum_retry_attempts=_UNTIL_TOO_OLD,
            destination_config=LambdaEventSourceMappingDestinationConfig(
                on_failure=LambdaEventSourceMappingDestinationConfigOnFailure(
                    destination_arn=quarantine.bucket_arn
                )
            ),
            # The count of failed batches, which the alarms watch.
            metrics_config=LambdaEventSourceMappingMetricsConfig(metrics=["EventCount"]),
            # Lambda asks for the rights at once; and no batch may fail before somebody is told of it.
            depends_on=[processor.rights, quarantine.notification],
        )
        self.uuid = mapping.uuid
