"""Writes of a replay: as fast as asked, and whose rows they change."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from catalog.repair.pace import Pace
from processor.archive_replay import CHUNK_PRODUCTS, CatalogWriter, ReplayReport
from processor.fold import Change

_ANSWER_SECONDS = 60.0


@dataclass(kw_only=True, slots=True)
class Replayed(ReplayReport):
    """What was replayed. `changed`: whose rows, if products were chosen; `rows_changed` counts some twice."""

    changed: set[str] = field(default_factory=set)

    def add(self, other: ReplayReport) -> None:
        """Add another's counts."""
        ReplayReport.add(self, other)
        if isinstance(other, Replayed):
            self.changed |= other.changed


class PacedWriter(CatalogWriter):
    """Writes as fast as it can, until it is told to slow down."""

    _pace = Pace(None)
    _at_once = CHUNK_PRODUCTS
    _restore: Callable[[Sequence[Change]], Awaitable[list[str]]] | None = None
    _changed: set[str] | None = None

    def slow_down(self, pace: Pace, at_once: int) -> None:
        """Write no faster than the pace, so many products at once."""
        self._pace, self._at_once = pace, min(at_once, CHUNK_PRODUCTS)

    def note_rows(self, changed: set[str]) -> None:
        """Add to a set whose rows change."""
        self._changed = changed

    def restore_first(self, restoring: Callable[[Sequence[Change]], Awaitable[list[str]]]) -> None:
        """Restore the rows of changes before those are applied, and invalidated; it returns whose."""
        self._restore = restoring

    async def write(self, changes: Sequence[Change]) -> None:
        never = asyncio.Event()
        for part in itertools.batched(changes, self._at_once):
            await self._pace.wait(len(part), never)
            if self._restore is not None:
                restored = await self._restore(part)
                self._report.rows_changed += len(restored)
                self._note(restored)
            if self._changed is not None:
                outdated = await self._catalog.outdated(part, within_seconds=_ANSWER_SECONDS)
                self._note(change.product_id for change in outdated)
            await super().write(part)

    def _note(self, products: Iterable[str]) -> None:
        if self._changed is not None:
            self._changed.update(products)
