"""Sending records again: redrive events of one shard and day, within what Lambda takes."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import batched
from typing import Any

from catalog.connections import Connections
from catalog.operations import recorded
from catalog.repair.claims import ClaimedError, Claims
from catalog.repair.invocation import (
    MAX_PAYLOAD_BYTES,
    InvocationError,
    Processor,
    invoke_completely,
    open_processor,
)
from catalog.repair.marks import MarkWriter, record_name
from catalog.repair.pace import Pace
from catalog.repair.quarantined import Quarantined
from catalog.repair.redriving import Failure
from catalog.repair.verdicts import why_not_fixable
from processor.reasons import Reason
from processor.records import Record
from processor.redrive import MAX_RECORDS, MEMBERS, SOURCE

_ENVELOPE_BYTES = 1024
# Of all groups that are not full yet.
_MAX_WAITING_BYTES = 8 * MAX_PAYLOAD_BYTES
_MAX_LONE_FAILURES = 20
_CLAIMS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """A quarantined record and what is sent for it; `fixed`: with other bytes.

    `moves`: from which product to which, if those bytes name another.
    """

    found: Quarantined
    record: Record
    fixed: bool = False
    moves: tuple[str, str] | None = None

    @property
    def needs_claim(self) -> bool:
        """Whether somebody else could send other bytes for the record."""
        return self.fixed or why_not_fixable(self.found) is None


@dataclass(slots=True)
class Sent:
    """What was done; `rejected_again`: of each the id, its reason before, and now."""

    accepted: int = 0
    rejected_again: list[tuple[str, str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Sender:
    """Collects records in groups and sends each group when it is full; `finish` sends the rest."""

    def __init__(
        self,
        processor: Processor,
        marks: MarkWriter,
        claims: Claims,
        pace: Pace,
        stop: asyncio.Event,
        on_done: Callable[[int], None],
    ) -> None:
        self.result = Sent()
        self._processor = processor
        self._marks = marks
        self._claims = claims
        self._pace = pace
        self._stop = stop
        self._on_done = on_done
        self._groups: dict[tuple[str, date], list[tuple[Sending, bytes]]] = {}
        self._bytes: Counter[tuple[str, date]] = Counter()
        self._lone_failures = 0

    async def send(self, sendings: AsyncIterator[Sending]) -> None:
        """Send all records, until `stop` is set."""
        async for sending in sendings:
            if self._stop.is_set():
                return
            await self._add(sending)
        for group in list(self._groups):
            await self._flush(group)

    async def _add(self, sending: Sending) -> None:
        text = json.dumps(event_members(sending.record), separators=(",", ":")).encode()
        if len(text) + _ENVELOPE_BYTES > MAX_PAYLOAD_BYTES:
            self.result.failures.append(Failure(sending.found.id, "larger than an event of Lambda can be"))
            return
        group = (sending.record.shard, sending.found.arrived_at.date())
        if self._bytes[group] + len(text) + _ENVELOPE_BYTES > MAX_PAYLOAD_BYTES:
            await self._flush(group)
        self._groups.setdefault(group, []).append((sending, text))
        self._bytes[group] += len(text) + 1
        if len(self._groups[group]) >= MAX_RECORDS:
            await self._flush(group)
        if self._bytes.total() > _MAX_WAITING_BYTES:
            await self._flush(self._bytes.most_common(1)[0][0])

    async def _flush(self, group: tuple[str, date]) -> None:
        together = self._groups.pop(group, [])
        del self._bytes[group]
        if together and await self._pace.wait(len(together), self._stop):
            if claimed := await self._claimed(together):
                await self._invoke(claimed)
            self._on_done(len(together))

    async def _claimed(self, together: list[tuple[Sending, bytes]]) -> list[tuple[Sending, bytes]]:
        """Return those that nobody sends in another way."""
        claimed: list[tuple[Sending, bytes]] = []
        for some in batched(together, _CLAIMS_AT_ONCE):
            fixes = [sending for sending, _ in some if sending.needs_claim]
            taken = await asyncio.gather(
                *(self._claims.take(sending.found.identity, sending.record.data) for sending in fixes),
                return_exceptions=True,
            )
            refused = set()
            for sending, error in zip(fixes, taken, strict=True):
                if isinstance(error, ClaimedError):
                    refused.add(sending.found.id)
                    self.result.failures.append(Failure(sending.found.id, str(error)))
                elif error is not None:
                    raise error
            claimed += [one for one in some if one[0].found.id not in refused]
        return claimed

    async def _invoke(self, together: list[tuple[Sending, bytes]]) -> None:
        """Send some; if the invocation fails, each half of them, so that one alone is left with its error.

        A part that fails is reported, and the others are sent.
        """
        texts = b",".join(text for _, text in together)
        payload = b'{"source":"%s","records":[%s]}' % (SOURCE.encode(), texts)
        try:
            answer = await invoke_completely(self._processor, payload)
        except InvocationError as error:
            if error.is_divisible and len(together) > 1 and self._may_divide():
                middle = len(together) // 2
                await self._invoke(together[:middle])
                await self._invoke(together[middle:])
                return
            self._lone_failures += len(together) == 1
            for sending, _ in together:
                self.result.failures.append(Failure(sending.found.id, str(error)))
            return
        rejected = answer.get("rejected", {})
        accepted = []
        for position, (sending, _) in enumerate(together):
            if (reason := rejected.get(str(position))) is not None:
                again = (sending.found.id, sending.found.reason, str(reason))
                self.result.rejected_again.append(again)
                # The archive has the bytes of one that the table refused as accepted, so they stay the fix.
                if sending.needs_claim and reason != Reason.CATALOG_REFUSED:
                    await self._claims.release(sending.found.identity, sending.record.data)
            else:
                accepted.append(sending)
        self.result.accepted += len(accepted)
        # At once: what was accepted with other bytes must not be fixed in another way afterwards.
        await self._marks.add(*(mark_of(sending) for sending in accepted))
        await self._marks.flush()

    def _may_divide(self) -> bool:
        # Where every part fails, the cause is no record.
        return self._lone_failures < _MAX_LONE_FAILURES and not self._stop.is_set()


async def send_recorded(
    connections: Connections,
    command: str,
    sendings: AsyncIterator[Sending],
    *,
    arguments: dict[str, Any],
    why: str,
    rate: float | None,
    stop: asyncio.Event,
    advance: Callable[[int], None],
) -> Sent:
    """Send records until `stop` is set, as an operation of `catalog history`.

    `arguments`: what was chosen; `why`: the operator's reason; `advance`: called with numbers of records.
    """
    sent = Sent()
    async with recorded(connections, command, reason=why, arguments=arguments) as operation:
        try:
            async with open_processor(connections, 1) as processor:
                marks, claims = MarkWriter(connections, operation.id), Claims(connections, operation)
                sender = Sender(processor, marks, claims, Pace(rate), stop, advance)
                sent = sender.result
                await sender.send(sendings)
        finally:
            operation.changes |= {
                "accepted": sent.accepted,
                "rejected_again": len(sent.rejected_again),
                "failed": len(sent.failures),
            }
            if stop.is_set():
                operation.state = "interrupted"
            elif not sent.accepted and (sent.failures or sent.rejected_again):
                operation.state = "failed"
    return sent


def event_members(record: Record) -> dict[str, Any]:
    """Return a record's members in the event."""
    values = (*record[:5], base64.b64encode(record.data).decode())
    return dict(zip(MEMBERS, values, strict=True))


def mark_of(sending: Sending) -> dict[str, Any]:
    """Return the mark of a record that was accepted."""
    mark: dict[str, Any] = {"record": record_name(sending.found.identity)}
    return mark | {"fixed": True} if sending.fixed else mark
