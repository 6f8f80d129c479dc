"""What the processor will reject, by its own decode, before anything is sent."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from catalog.produce.outgoing import NO_KEY, Outgoing
from catalog.produce.sending import RECORD_BYTES
from processor.records import Record
from processor.slices import decode_all, slices
from processor.updates import Rejection

NOT_SENDABLE = "not_sendable"
KEPT = 1_000
"""Of so many rejections the line and the message are kept."""


class Rejected(NamedTuple):
    """A line that will be rejected, or cannot be sent (`reason` is then `not_sendable`)."""

    line: int
    product_id: str
    reason: str
    message: str


@dataclass(slots=True)
class Expected:
    """How many of the records so far will be accepted, and which will be rejected, and why."""

    accepted: int = 0
    not_sendable: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    first: list[Rejected] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """How many will be rejected."""
        return self.by_reason.total()

    @property
    def total(self) -> int:
        """How many there were."""
        return self.accepted + self.rejected

    def add(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Judge more records, as if they arrived now; return those that can be sent."""
        sendable = []
        for record in records:
            fault = record.fault
            if fault is None and record.size > RECORD_BYTES:
                fault = "more than 1 MiB with its partition key, which Kinesis refuses"
            if fault is None:
                sendable.append(record)
            else:
                self.not_sendable += 1
                self.reject(record.line, record.key, NOT_SENDABLE, fault)
        self._judge(sendable)
        return sendable

    def _judge(self, records: Sequence[Outgoing]) -> None:
        now_ms = time.time_ns() // 1_000_000
        keys = {record.line: record.key for record in records}
        warnings: list[Exception] = []
        batch = [Record("check", str(each.line), 0, each.key, now_ms, each.data) for each in records]
        for slice_ in slices(batch, warnings):
            for outcome in decode_all(slice_, warnings):
                if isinstance(outcome, Rejection):
                    line = int(outcome.record.sequence_number)
                    self.reject(line, keys[line], outcome.reason, outcome.message)
                else:
                    self.accepted += 1

    def reject(self, line: int, key: str, reason: str, message: str) -> None:
        """Note one more."""
        self.by_reason[reason] += 1
        if len(self.first) < KEPT:
            self.first.append(Rejected(line, "" if key == NO_KEY else key, reason, message))
