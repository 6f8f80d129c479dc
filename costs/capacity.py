"""How much an environment can take."""

from dataclasses import dataclass

from costs.processor import batch_ms
from stacks.config.environments import Environment

RECORDS_PER_SHARD = 1000
"""What a shard takes a second, or 1 MB: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html.
A thousand updates are far below 1 MB."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Limits: records a second that the shards and the function take, and connections to the database.

    `batch_ms`: the assumed duration of a full batch, on which `records_by_function` depends.
    """

    records_by_shards: int
    records_by_function: float
    batch_ms: float
    connections: int
    allowed_connections: int


def capacity(environment: Environment) -> Capacity:
    """Return an environment's capacity."""
    shards = environment.stream.capacity.planned_shards
    settings = environment.event_source
    # The settings have at least as much concurrency as this.
    concurrent = shards * settings.parallelization_factor
    full_batch_ms = batch_ms(settings.batch_size, environment.function)
    return Capacity(
        records_by_shards=shards * RECORDS_PER_SHARD,
        records_by_function=concurrent * settings.batch_size * 1000 / full_batch_ms,
        batch_ms=full_batch_ms,
        connections=environment.most_connections,
        allowed_connections=environment.allowed_connections,
    )
