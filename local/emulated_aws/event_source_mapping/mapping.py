"""An event source mapping for a Kinesis data stream that follows AWS's rules."""

from asyncio import TaskGroup
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from local.emulated_aws.event_source_mapping.mapping_state import MappingState
from local.emulated_aws.event_source_mapping.ports import (
    Clock,
    FailureDestination,
    Function,
    Position,
    Shard,
    Stream,
    StreamUnavailableError,
)
from local.emulated_aws.event_source_mapping.settings import (
    InvalidSettingError,
    MappingSettings,
    StartingPosition,
)
from local.emulated_aws.event_source_mapping.shard import ShardReader
from local.emulated_aws.event_source_mapping.waiting import Notifier, backoff_seconds


class MappingEndedError(RuntimeError):
    """The mapping ended before every record in the stream was acknowledged or discarded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The figures of a mapping at one moment; counts are since it began.

    `records_read` = `records_acknowledged` + `records_discarded` + those in progress. As with AWS's metrics
    (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html), throttles count neither as
    invocations nor as errors. `iterator_age_ms` is how far behind the mapping is: the age of the oldest
    record that is neither acknowledged nor discarded, or MillisBehindLatest if that is more; 0 when idle.
    `checkpoints` maps a shard to the sequence number up to which all of it is acknowledged or discarded.
    """

    records_read: int
    records_acknowledged: int
    records_discarded: int
    invocations: int
    invocations_in_flight: int
    function_errors: int
    reported_failures: int
    throttles: int
    read_failures: int
    destination_delivery_failures: int
    iterator_age_ms: int
    checkpoints: Mapping[str, str]
    shards_finished: int
    shards_reading: int


class EventSourceMapping:
    """A mapping that invokes a function with every record of a stream, in batches, at least once each.

    Shards are read concurrently, a child only once its parents are finished
    (https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).

    Args:
        settings: AWS's settings.
        stream, function, clock: the ports; all waiting goes through `clock`.
        failures: keeps discarded batches; None discards them without a trace, as AWS does.
        new_id: makes a UUID, for requests and object names.
        checkpoints: `Progress.checkpoints` of an earlier mapping, to resume from.

    Raises:
        InvalidSettingError: the starting time is in the future.
    """

    def __init__(
        self,
        settings: MappingSettings,
        *,
        stream: Stream,
        function: Function,
        failures: FailureDestination | None,
        clock: Clock,
        new_id: Callable[[], str],
        checkpoints: Mapping[str, str] | None = None,
    ) -> None:
        timestamp = settings.starting_position_timestamp
        if timestamp is not None and timestamp > clock.now():
            raise InvalidSettingError("starting_position_timestamp", timestamp, "not in the future")
        self._state = MappingState(
            settings=settings,
            stream=stream,
            function=function,
            failures=failures,
            clock=clock,
            new_id=new_id,
            changed=Notifier(clock),
        )
        self._checkpoints = checkpoints
        self._list_again = Notifier(clock)
        self._listing_wanted = False
        self._listing_failures = 0
        self._listed: Sequence[Shard] = ()
        self._listed_tick = 0
        self._readers: dict[str, ShardReader] = {}
        self._first_listing: frozenset[str] | None = None
        self._skipped: frozenset[str] = frozenset()
        self._phase = "new"

    async def run(self) -> None:
        """Run until `stop()`. Cancelling is a crash: batches in flight are delivered again.

        Raises:
            Exception: an error in the mapping, or an error of a port that its protocol does not name.
            RuntimeError: it was run before.
        """
        if self._phase != "new":
            raise RuntimeError(
                "an event source mapping runs once; make another one to resume from its checkpoints"
            )
        self._phase = "running"
        try:
            async with TaskGroup() as tasks:
                while not self._state.stopping:
                    self._listing_wanted = False
                    await self._start_shards(tasks)
                    if not self._listing_wanted:
                        await self._list_again.wait(self._state.settings.shard_discovery_interval_seconds)
        except ExceptionGroup as group:
            raise _first_of(group) from group
        finally:
            self._phase = "ended"
            self._state.changed.notify()

    def stop(self) -> None:
        """Make `run()` return once the invocations in flight have ended and their results are acted on."""
        self._state.stopping = True
        self._want_listing()
        for reader in self._readers.values():
            reader.wake()

    @property
    def settings(self) -> MappingSettings:
        """AWS's settings, as they are now."""
        return self._state.settings

    def update(self, *, maximum_record_age_in_seconds: int) -> None:
        """Change a setting, as UpdateEventSourceMapping does: it counts from the next attempt on."""
        self._state.settings = replace(
            self._state.settings, maximum_record_age_in_seconds=maximum_record_age_in_seconds
        )

    async def wait_until_done(self) -> None:
        """Return once every record that was in the stream at the call is acknowledged or discarded.

        Lists the shards again. For each, waits for a read that began after the call and found nothing left
        (MillisBehindLatest 0), then until every record read so far is finished. Records that are put
        meanwhile delay it no longer than that.

        Raises:
            MappingEndedError: the mapping ended before.
        """
        called = self._state.tick()
        self._want_listing()
        shards: Sequence[Shard] | None = None
        targets: dict[str, str | None] = {}
        while True:
            if shards is None and self._listed_tick > called:
                shards = self._listed
            if shards is not None and all(self._is_done(shard.shard_id, called, targets) for shard in shards):
                return
            if self._phase == "ended":
                raise MappingEndedError("the mapping ended before every record was done")
            await self._state.changed.wait()

    @property
    def progress(self) -> Progress:
        """The figures at this moment."""
        counters = self._state.counters
        return Progress(
            **{name: getattr(counters, name) for name in counters.__slots__},
            iterator_age_ms=self._iterator_age_ms(),
            checkpoints={
                shard_id: reader.checkpoint
                for shard_id, reader in self._readers.items()
                if reader.checkpoint is not None
            },
            shards_finished=sum(reader.finished for reader in self._readers.values()),
            shards_reading=sum(not reader.finished for reader in self._readers.values()),
        )

    def _iterator_age_ms(self) -> int:
        now = self._state.clock.now()
        ages = [0]
        for reader in self._readers.values():
            if not reader.finished:
                ages.append(reader.millis_behind_latest)
            if (arrived_at := reader.oldest_unfinished_arrived_at) is not None:
                ages.append((now - arrived_at) // timedelta(milliseconds=1))
        return max(ages)

    def _is_done(self, shard_id: str, called: int, targets: dict[str, str | None]) -> bool:
        if shard_id in self._skipped:
            return True
        reader = self._readers.get(shard_id)
        if reader is None:
            return False
        if shard_id not in targets and reader.tip_tick > called:
            targets[shard_id] = reader.last_read
        return reader.finished or (shard_id in targets and reader.passed(targets[shard_id]))

    async def _start_shards(self, tasks: TaskGroup) -> None:
        """List the shards and start those whose parents are finished."""
        settings = self._state.settings
        tick = self._state.tick()
        try:
            listed = await self._state.stream.list_shards()
        except StreamUnavailableError:
            self._listing_failures += 1
            self._state.counters.read_failures += 1
            self._listing_wanted = True
            seconds = backoff_seconds(
                self._listing_failures,
                base_seconds=settings.retry_base_seconds,
                cap_seconds=settings.retry_cap_seconds,
            )
            await self._state.pause(self._list_again, seconds)
            return
        self._listing_failures = 0
        if self._first_listing is None:
            self._first_listing = frozenset(shard.shard_id for shard in listed)
            self._skipped = frozenset(
                shard.shard_id for shard in listed if shard.closed and self._from_the_tip
            )
        self._listed, self._listed_tick = listed, tick
        retained = {shard.shard_id for shard in listed}
        for shard in listed:
            if not self._is_known(shard.shard_id) and all(
                self._is_finished(parent) for parent in shard.parents if parent in retained
            ):
                reader = ShardReader(shard.shard_id, self._position(shard.shard_id), self._state)
                self._readers[shard.shard_id] = reader
                tasks.create_task(self._read(reader))
        self._state.changed.notify()

    async def _read(self, reader: ShardReader) -> None:
        await reader.run()
        self._state.changed.notify()
        self._want_listing()

    def _want_listing(self) -> None:
        self._listing_wanted = True
        self._list_again.notify()

    def _is_known(self, shard_id: str) -> bool:
        return shard_id in self._readers or shard_id in self._skipped

    def _is_finished(self, shard_id: str) -> bool:
        return shard_id in self._skipped or (shard_id in self._readers and self._readers[shard_id].finished)

    @property
    def _from_the_tip(self) -> bool:
        """Whether only new records are wanted; a mapping that resumes from checkpoints may miss none."""
        return self._state.settings.starting_position is StartingPosition.LATEST and self._checkpoints is None

    def _position(self, shard_id: str) -> Position:
        """Return where to begin: the starting position is for shards listed first, not for their children."""
        if self._checkpoints is not None and shard_id in self._checkpoints:
            return Position("AFTER_SEQUENCE_NUMBER", sequence_number=self._checkpoints[shard_id])
        settings = self._state.settings
        if self._first_listing is not None and shard_id in self._first_listing:
            if self._from_the_tip:
                return Position("LATEST")
            if settings.starting_position is StartingPosition.AT_TIMESTAMP:
                return Position("AT_TIMESTAMP", timestamp=settings.starting_position_timestamp)
        return Position("TRIM_HORIZON")


def _first_of(group: BaseExceptionGroup[Exception]) -> Exception:
    error: Exception | BaseExceptionGroup[Exception] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
