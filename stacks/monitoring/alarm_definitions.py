"""The definitions of every alarm, without the resources made of them."""

from stacks.config.environments import Environment
from stacks.monitoring.cache_alarms import cache_alarms
from stacks.monitoring.database_alarms import database_alarms
from stacks.monitoring.metrics import AlarmDefinition, Watched
from stacks.monitoring.pipeline_alarms import pipeline_alarms


def alarm_definitions(config: Environment, watched: Watched) -> tuple[AlarmDefinition, ...]:
    """Return the definition of every alarm of an environment."""
    of = watched.sources(config.name)
    return (*pipeline_alarms(config, of), *database_alarms(config, of), *cache_alarms(of))
