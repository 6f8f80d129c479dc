"""The state that the parts of one running mapping share: ports, settings, counters, and whether to stop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from local.emulated_aws.event_source_mapping.ports import Clock, FailureDestination, Function, Stream
from local.emulated_aws.event_source_mapping.settings import MappingSettings
from local.emulated_aws.event_source_mapping.waiting import Notifier


@dataclass(slots=True)
class Counters:
    """Counts since the mapping began."""

    records_read: int = 0
    records_acknowledged: int = 0
    records_discarded: int = 0
    invocations: int = 0
    invocations_in_flight: int = 0
    function_errors: int = 0
    reported_failures: int = 0
    throttles: int = 0
    read_failures: int = 0
    destination_delivery_failures: int = 0


@dataclass(kw_only=True, slots=True)
class MappingState:
    """One running mapping; `changed` notifies whenever something was read, finished or listed."""

    settings: MappingSettings
    stream: Stream
    function: Function
    failures: FailureDestination | None
    clock: Clock
    new_id: Callable[[], str]
    changed: Notifier
    counters: Counters = field(default_factory=Counters)
    stopping: bool = False
    _ticks: int = 0

    def tick(self) -> int:
        """Return a number larger than any before: it orders reads and listings without the clock."""
        self._ticks += 1
        return self._ticks

    async def pause(self, notifier: Notifier, seconds: float) -> None:
        """Wait that long, whatever `notifier` reports, unless the mapping is to stop."""
        deadline = self.clock.now() + timedelta(seconds=seconds)
        while not self.stopping and self.clock.now() < deadline:
            await notifier.wait_until(deadline)
