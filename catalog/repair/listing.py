"""Quarantine at a glance: how many records by reason and supplier, and the newest ones."""

import base64
import heapq
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from catalog.connections import Connections
from catalog.repair.claims import Claim, begun_fix
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import Marks, record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined

OTHERS = "(others)"
UNKNOWN = "unknown"
_MOST_SUPPLIERS = 10_000
_CLAIM = ("by", "at", "reason", "data_base64")


@dataclass(slots=True)
class Listing:
    """What was found. `counts`: by reason and supplier; `begun`: how many have a fix that was only begun.

    `suppliers`: of all records, if one supplier was asked for.
    """

    limit: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppliers: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    damaged: list[Damaged] = field(default_factory=list)
    _heap: list[tuple[int, str, Quarantined]] = field(default_factory=list)

    def add_supplier(self, found: Quarantined) -> None:
        """Count the supplier of a record, whether it was asked for or not."""
        name = found.supplier or UNKNOWN
        self.suppliers[
            name if name in self.suppliers or len(self.suppliers) < _MOST_SUPPLIERS else OTHERS
        ] += 1

    def add(self, found: Quarantined) -> None:
        """Count a record, and keep it if it is one of the newest."""
        group = (found.reason, found.supplier or UNKNOWN)
        is_counted = group in self.counts or len(self.counts) < _MOST_SUPPLIERS
        self.counts[group if is_counted else (OTHERS, OTHERS)] += 1
        item = (found.record.arrival_ms, record_name(found.identity), found)
        if len(self._heap) < self.limit:
            heapq.heappush(self._heap, item)
        elif self.limit and item[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, item)

    @property
    def newest(self) -> list[Quarantined]:
        """The newest records, the newest first."""
        return [item[2] for item in sorted(self._heap, reverse=True)]

    def counts_document(self) -> list[dict[str, Any]]:
        """Return the counts as JSON has them, the largest first."""
        return [
            {"reason": reason, "supplier": supplier, "records": count}
            for (reason, supplier), count in self.counts.most_common()
        ]


async def list_records(
    connections: Connections,
    wanted: Filter,
    *,
    without: Container[str],
    begun: Mapping[str, Claim],
    limit: int,
    advance: Callable[[int], None],
) -> Listing:
    """Return the wanted records but those of these names; `advance` is called with numbers of records."""
    listing = Listing(limit)
    # So that a supplier who does not exist is told from one without rejections.
    everybodys = replace(wanted, supplier=None)
    async for found in read_quarantined(connections, everybodys, without=without):
        if isinstance(found, Damaged):
            listing.damaged.append(found)
            continue
        if wanted.supplier is not None:
            listing.add_supplier(found)
        if wanted.has(found):
            listing.add(found)
            listing.begun += begun_fix(begun, found) is not None
            advance(1)
    return listing


def document_of(found: Quarantined, marks: Marks, begun: Mapping[str, Claim]) -> dict[str, Any]:
    """Return a record as JSON has it; `redriven`: null, "fixed" or "unchanged"."""
    name, claim = record_name(found.identity), begun_fix(begun, found)
    return {
        "id": found.id,
        "shard": found.record.shard,
        "sequence_number": found.record.sequence_number,
        "sub_sequence": found.record.sub_sequence,
        "partition_key": found.record.partition_key,
        "arrival_time": found.arrived_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "supplier": found.supplier,
        "reason": found.reason,
        "message": found.message,
        "data_base64": base64.b64encode(found.record.data).decode(),
        "key": found.key,
        "line": found.line,
        "fix_begun": claim and {each: getattr(claim, each) for each in _CLAIM},
        "redriven": "fixed" if name in marks.fixed else "unchanged" if name in marks.records else None,
    }
