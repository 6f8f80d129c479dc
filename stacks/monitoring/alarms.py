"""The alarms, and the topic and subscriptions through which people are notified."""

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
from stacks.monitoring.alarm_definitions import alarm_definitions
from stacks.monitoring.metrics import AlarmDefinition, Calculated, Comparison, Metric, Watched
from stacks.policies import allow_service, deny_plain_http, document, equals

_OPERATORS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
}


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
            alarm_description=f"{definition.meaning} Then: docs/operating.md#{definition.section}",
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
