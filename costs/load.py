"""How many records arrive, and in what batches Lambda delivers them."""

from collections.abc import Iterator
from dataclasses import dataclass

from stacks.config.environments import Environment

DEFAULT_RECORDS_PER_DAY = 1_000_000

RECORD_BYTES = 82.5
"""A record's data in the week that `make local` sends; tests/costs/test_measured.py measures it."""
WEEK_BY_HOUR = (
    *(2210, 1443, 861, 588, 372, 172, 107, 108, 77, 17, 21, 61),
    *(142, 202, 628, 1260, 1649, 1705, 2307, 2639, 2663, 3240, 3490, 2710),
)
"""The week's records in each hour of the day."""

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Batches:
    """Batches of the same size: how many there are a day, and how many records each has."""

    per_day: float
    records: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """So many records a day, spread over its hours as in the week; each is one update, in no aggregate."""

    records_per_day: int

    @property
    def busiest_records_per_second(self) -> float:
        """The rate in the busiest hour."""
        return self._records_per_second(max(WEEK_BY_HOUR))

    def _records_per_second(self, of_the_week: int) -> float:
        return self.records_per_day * of_the_week / sum(WEEK_BY_HOUR) / SECONDS_PER_HOUR

    def batches(self, environment: Environment) -> Iterator[Batches]:
        """Yield the batches of each hour.

        Each shard's records go to `parallelization_factor` lanes of batches.
        """
        settings = environment.event_source
        lanes = environment.stream.capacity.planned_shards * settings.parallelization_factor
        return self.batches_of(lanes, settings.batch_size, settings.window_seconds)

    def batches_of(self, lanes: int, batch_size: int, window_seconds: float) -> Iterator[Batches]:
        """Yield the batches of each hour, of so many lanes."""
        for of_the_week in WEEK_BY_HOUR:
            rate = self._records_per_second(of_the_week)
            records = records_in_batch(rate / lanes, batch_size, window_seconds)
            yield Batches(per_day=SECONDS_PER_HOUR * rate / records, records=records)


def records_in_batch(lane_rate: float, batch_size: int, window_seconds: float) -> float:
    """Return how many records a lane's batch has by the lane's records a second.

    It is complete when it has `batch_size` records, or when its window ends, which begins with a record.
    """
    return min(batch_size, 1 + window_seconds * lane_rate)
