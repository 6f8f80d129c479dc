"""A batch of records on its way to the function."""

from dataclasses import dataclass

from local.emulated_aws.event_source_mapping.ports import StreamRecord


@dataclass(frozen=True, slots=True)
class QueuedRecord:
    """A record that was read, and the sequence number before it in the shard (None for the first)."""

    record: StreamRecord
    after: str | None
    event_bytes: int


@dataclass(slots=True)
class Batch:
    """A batch, or the part of one that a split left; a part keeps the retries and invocations so far."""

    queued: list[QueuedRecord]
    retries: int = 0
    invocations: int = 0

    def split_off(self, count: int) -> "Batch":
        """Keep the first `count` records; return the others."""
        rest = Batch(self.queued[count:], self.retries, self.invocations)
        del self.queued[count:]
        return rest

    def records(self) -> list[StreamRecord]:
        return [queued.record for queued in self.queued]
