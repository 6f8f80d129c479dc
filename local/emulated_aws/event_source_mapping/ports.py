"""The ports of an event source mapping: a stream, a function, an on-failure destination and a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


class StreamUnavailableError(Exception):
    """The stream cannot be read now (throttled, unreachable, failing): back off and read again."""


class IteratorExpiredError(Exception):
    """The shard iterator is too old: fetch another one, after the last sequence number read."""


class FunctionError(Exception):
    """The function was invoked and failed: the batch is bisected, or uses up a retry.

    Attributes:
        kind: `Unhandled` or `Handled`, as in the header X-Amz-Function-Error.
    """

    def __init__(self, message: str, *, kind: str = "Unhandled") -> None:
        super().__init__(message)
        self.kind = kind


class FunctionNotReachedError(Exception):
    """The batch did not reach the function (throttled, service error): sent again until it is too old."""


class DestinationUnavailableError(Exception):
    """The on-failure destination did not take the invocation record."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One Kinesis item; sequence numbers order the records of a shard when compared as numbers.

    `partition_key` is None if the stream distributes records itself and the producer set none
    (https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-considerations.html).
    """

    sequence_number: str
    partition_key: str | None
    data: bytes
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard; it has two parents after a merge, one after a split, and takes no records once closed."""

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a shard to read from, in GetShardIterator's words."""

    kind: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]
    timestamp: datetime | None = None
    sequence_number: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One GetRecords response, records in order; `next_iterator` is None at the end of a closed shard."""

    records: Sequence[StreamRecord]
    next_iterator: str | None
    millis_behind_latest: int


class Stream(Protocol):
    """A Kinesis data stream. Every method may raise StreamUnavailableError."""

    async def list_shards(self) -> Sequence[Shard]:
        """Return all shards still retained, closed ones too."""
        ...

    async def shard_iterator(self, shard_id: str, position: Position) -> str: ...

    async def get_records(self, iterator: str, limit: int) -> Page:
        """Return at most `limit` records. May also raise IteratorExpiredError."""
        ...


class Function(Protocol):
    """The function a batch is sent to."""

    async def invoke(self, event: Mapping[str, object]) -> object:
        """Return the function's response, parsed from JSON.

        Raises:
            FunctionError: the function was invoked and failed.
            FunctionNotReachedError: the function was throttled or could not be invoked.
        """
        ...


class FailureDestination(Protocol):
    """The bucket that keeps discarded batches; S3 notifies the queue."""

    async def put(self, key: str, body: bytes) -> None:
        """Store `body`; the same key may be put again. Raises DestinationUnavailableError."""
        ...


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the time, in UTC and timezone-aware."""
        ...

    async def sleep(self, seconds: float) -> None: ...
