"""The alarms, and the topic and subscriptions through which people are notified."""

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
)
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from stacks.config.environments import Environment
from stacks.monitoring.cache_alarms import cache_alarms
from stacks.monitoring.database_alarms import database_alarms
from stacks.monitoring.metrics import AlarmDefinition, Calculated, Comparison, Metric, Source, Sources
from stacks.monitoring.pipeline_alarms import pipeline_alarms
from stacks.policies import allow_service, deny_plain_http, document, equals

_OPERATORS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The watched parts of a stack, by the names that are the dimensions of their metrics.

    `mapping_uuid`: the event source mapping's; it counts events only if its metrics include `EventCount`.
    """

    stream_name: str
    function_name: str
    migrations_name: str
    mapping_uuid: str
    queue_name: str
    database_identifier: str
    cache_node_ids: tuple[str, ...]

    def sources(self, environment: str) -> Sources:
        """Return the sources of the metrics of the environment with this name."""
        return Sources(
            stream=Source("AWS/Kinesis", {"StreamName": self.stream_name}),
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
            mapping=Source("AWS/Lambda", {"EventSourceMappingUUID": self.mapping_uuid}),
            function=Source("AWS/Lambda", {"FunctionName": self.function_name}),
            migrations=Source("AWS/Lambda", {"FunctionName": self.migrations_name}),
            processor=Source(
                "ProductCatalog", {"service": "inventory-processor", "environment": environment}
            ),
            queue=Source("AWS/SQS", {"QueueName": self.queue_name}),
            database=Source("AWS/RDS", {"DBInstanceIdentifier": self.database_identifier}),
            cache_nodes=tuple(
                Source("AWS/ElastiCache", {"CacheClusterId": node_id}) for node_id in self.cache_node_ids
            ),
        )


class Alarms(Construct):
    """Every alarm; each notifies the topic when it goes off.

    `topic_arn`: the topic's. `alarm_arns`: every alarm's, in the order of `alarm_definitions`.
    """

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, watched: Watched, account_id: str
    ) -> None:
        super().__init__(scope, id_)
        # Without the team's key not encrypted: alarms cannot publish with the AWS-managed key, whose policy
        # nobody can change, and names and numbers that are sent by e-mail anyway are not worth another key.
        # https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
        topic = SnsTopic(
            self,
            "Topic",
            name=config.physical_name("catalog-alarms"),
            kms_master_key_id=config.encryption_key_arn,
            # Of a new topic, everybody would have to confirm the subscription again.
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        self.topic_arn = topic.arn
        self._allow_alarms_to_publish(topic, account_id)
        for email in config.alarms.emails:
            # The id has the address, not the index: a recreated subscription must be confirmed again.
            SnsTopicSubscription(
                self, f"Email-{email}", topic_arn=topic.arn, protocol="email", endpoint=email
            )
        self.alarm_arns = tuple(
            self._alarm(definition, config).arn for definition in alarm_definitions(config, watched)
        )

    def _allow_alarms_to_publish(self, topic: SnsTopic, account_id: str) -> None:
        publish = allow_service(
            "AlarmsOfThisAccount",
            "cloudwatch.amazonaws.com",
            ["sns:Publish"],
            [topic.arn],
            [equals("aws:SourceAccount", account_id)],
        )
        policy = document(self, "Publish", [publish, deny_plain_http(["sns:Publish"], [topic.arn])])
        SnsTopicPolicy(self, "Policy", arn=topic.arn, policy=policy)

    def _alarm(self, definition: AlarmDefinition, config: Environment) -> CloudwatchMetricAlarm:
        metric = definition.metric if isinstance(definition.metric, Metric) else None
        seconds = definition.period_minutes * 60
        return CloudwatchMetricAlarm(
            self,
            "".join(word.capitalize() for word in definition.name.split("-")),
            alarm_name=config.physical_name(f"product-catalog-{definition.name}"),
            alarm_description=definition.meaning,
            namespace=None if metric is None else metric.namespace,
            metric_name=None if metric is None else metric.name,
            dimensions=None if metric is None else metric.dimensions,
            statistic=None if metric is None else metric.statistic,
            period=None if metric is None else seconds,
            metric_query=_queries(definition.metric, seconds)
            if isinstance(definition.metric, Calculated)
            else None,
            comparison_operator=_OPERATORS[definition.comparison],
            threshold=definition.threshold,
            datapoints_to_alarm=definition.datapoints,
            evaluation_periods=definition.periods,
            treat_missing_data=definition.missing,
            # No action when it ends: a new alarm ends too, with its first evaluation, and would notify.
            alarm_actions=[self.topic_arn],
        )


def alarm_definitions(config: Environment, watched: Watched) -> tuple[AlarmDefinition, ...]:
    """Return the definition of every alarm of an environment."""
    of = watched.sources(config.name)
    return (*pipeline_alarms(config, of), *database_alarms(config, of), *cache_alarms(of))


def _queries(calculated: Calculated, seconds: int) -> list[CloudwatchMetricAlarmMetricQuery]:
    """Return the expression and its metrics as the queries of an alarm."""
    return [
        CloudwatchMetricAlarmMetricQuery(
            id="result", expression=calculated.expression, label=calculated.label, return_data=True
        ),
        *(
            CloudwatchMetricAlarmMetricQuery(
                id=name,
                metric=CloudwatchMetricAlarmMetricQueryMetric(
                    namespace=metric.namespace,
                    metric_name=metric.name,
                    dimensions=metric.dimensions,
                    stat=metric.statistic,
                    period=seconds,
                ),
            )
            for name, metric in calculated.of.items()
        ),
    ]
