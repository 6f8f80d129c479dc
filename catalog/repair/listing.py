"""Quarantine at a glance: how many records by reason and supplier, and the newest ones."""

import heapq
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass

from catalog.connections import Connections
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined

OTHERS = "(others)"
_MOST_SUPPLIERS = 10_000


@dataclass(frozen=True, slots=True)
class Listing:
    """`counts`: by reason and supplier; `newest`: the newest first."""

    counts: Counter[tuple[str, str]]
    newest: list[Quarantined]
    damaged: list[Damaged]


async def list_quarantined(
    connections: Connections,
    wanted: Filter,
    *,
    without: Container[str],
    limit: int,
    advance: Callable[[int], None],
) -> Listing:
    """Return the wanted records but those of these names; `advance` is called with numbers of records."""
    counts: Counter[tuple[str, str]] = Counter()
    newest: list[tuple[int, str, Quarantined]] = []
    damaged: list[Damaged] = []
    async for found in read_quarantined(connections, wanted, without=without):
        if isinstance(found, Damaged):
            damaged.append(found)
            continue
        group = (found.reason, found.supplier or "unknown")
        counts[group if group in counts or len(counts) < _MOST_SUPPLIERS else (OTHERS, OTHERS)] += 1
        item = (found.record.arrival_ms, record_name(found.identity), found)
        if len(newest) < limit:
            heapq.heappush(newest, item)
        elif limit and item[:2] > newest[0][:2]:
            heapq.heapreplace(newest, item)
        advance(1)
    return Listing(counts, [item[2] for item in sorted(newest, reverse=True)], damaged)
