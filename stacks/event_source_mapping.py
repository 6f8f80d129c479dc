"""How Lambda reads the stream: batches, retries, and where batches that fail permanently go."""

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


class EventSourceMapping(Construct):
    """The event source mapping; `uuid`, `arn`: the mapping's.

    After an error, Lambda bisects the batch until the failing record is alone; after a partial batch
    response, it retries from the record that the response names. Both continue until the records are older
    than the maximum age; then the whole invocation is written to the quarantine bucket.
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
            # Records that were put before the first deploy ended are processed too.
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
            # Enables the count of failed batches that the alarms watch.
            metrics_config=LambdaEventSourceMappingMetricsConfig(metrics=["EventCount"]),
            # Lambda checks the role's rights when the mapping is created, and no batch may fail before the
            # notification exists.
            depends_on=[processor.rights, quarantine.notification],
        )
        self.uuid, self.arn = mapping.uuid, mapping.arn
