"""The schedule that drains pending invalidations while no batch arrives to do it."""

from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from cdktf_cdktf_provider_aws.lambda_function_event_invoke_config import LambdaFunctionEventInvokeConfig
from cdktf_cdktf_provider_aws.lambda_permission import LambdaPermission
from constructs import Construct

from stacks.config.environments import Environment
from stacks.inventory_processor import InventoryProcessor

# Well below the cache's time to live, which limits how long the shop sees an old value.
_SCHEDULE = "rate(1 minute)"
_UNTIL_THE_NEXT_SECONDS = 60


class InvalidationDrain(Construct):
    """A schedule that invokes the processor every minute; a late invocation is dropped for the next one."""

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, processor: InventoryProcessor
    ) -> None:
        super().__init__(scope, id_)
        schedule = CloudwatchEventRule(
            self,
            "Schedule",
            name=config.physical_name("inventory-processor-drain"),
            description="Drains pending invalidations of the cache",
            schedule_expression=_SCHEDULE,
        )
        permission = LambdaPermission(
            self,
            "MayInvoke",
            statement_id="Schedule",
            action="lambda:InvokeFunction",
            function_name=processor.name,
            principal="events.amazonaws.com",
            source_arn=schedule.arn,
        )
        LambdaFunctionEventInvokeConfig(
            self,
            "NoRetries",
            function_name=processor.name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=_UNTIL_THE_NEXT_SECONDS,
        )
        CloudwatchEventTarget(
            self,
            "Target",
            rule=schedule.name,
            target_id="processor",
            arn=processor.arn,
            depends_on=[permission],
        )
