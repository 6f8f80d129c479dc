"""The alarms of an environment, and which are on."""

from dataclasses import dataclass
from datetime import datetime

from catalog.connections import Connections

# Also in stacks/monitoring/alarms.py.
_PREFIX = "product-catalog-"
_TOPIC = "catalog-alarms"


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name`: without what all names share, as in docs/operating.md. `state`: CloudWatch's word."""

    name: str
    state: str
    since: datetime
    reason: str


async def read_alarms(connections: Connections) -> list[Alarm]:
    """Return the environment's alarms by name.

    Every name ends in the environment's; `x-dev` is another than `dev`, which the topic tells apart.
    """
    suffix = f"-{connections.environment.name}"
    cloudwatch = await connections.aws("cloudwatch")
    alarms = []
    async for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=_PREFIX):
        for found in page.get("MetricAlarms", []):
            topics = found.get("AlarmActions", [])
            is_ours = not topics or any(topic.endswith(f":{_TOPIC}{suffix}") for topic in topics)
            if found["AlarmName"].endswith(suffix) and is_ours:
                name = found["AlarmName"].removeprefix(_PREFIX).removesuffix(suffix)
                since = found["StateUpdatedTimestamp"]
                alarms.append(Alarm(name, found["StateValue"], since, found.get("StateReason", "")))
    return sorted(alarms, key=lambda alarm: alarm.name)
