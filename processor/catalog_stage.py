"""Updates → rows: fold, upsert, then invalidate; less at once where the database is slow or refuses.

The whole batch goes in one statement. If the table refuses it, each update goes on its own, and what is
refused is quarantined. If the database answers, but not in time, the updates go in parts, in the order of
their records, as many as there is time for: each attempt gets further than the one before (ADR 16).
"""

from collections.abc import Sequence

from processor.errors import (
    CacheUnavailableError,
    CatalogRefusedError,
    DependencyError,
    StatementTimeoutError,
)
from processor.fold import fold
from processor.ports import INVALIDATION_SECONDS, Ports
from processor.reasons import Reason
from processor.records import Record
from processor.report import BatchReport
from processor.updates import Rejection, Update

# What is left to the invalidation and to quarantine after the last part.
_RESERVE_SHARE = 0.25
_RESERVE_SECONDS = 2.0
# Parts begin with one update, and get larger by this as long as there is time for it.
_GROWTH = 4
_ONE_BY_ONE_AT_ONCE = 1_000


class CatalogStage:
    """The catalog's stage for some updates; `done`: the records that are safe although it fails."""

    def __init__(self, updates: Sequence[Update], ports: Ports, report: BatchReport, deadline: float) -> None:
        self.done: set[Record] = set()
        self._updates = updates
        self._ports = ports
        self._report = report
        self._deadline = deadline
        self._budget = deadline - ports.clock.monotonic()
        # Our own: what is remembered between attempts may be forgotten at any time, and a record that is
        # neither written nor quarantined would be lost.
        self._refused = self._remembered()

    async def run(self) -> None:
        """Apply what there is time for. Raises: DependencyError if that is not all."""
        count = len(self._updates)
        applied, failed = await self._upsert_what_fits()
        if applied:
            await self._finish(self._updates[:applied])
        self._ports.retry_state.database_is_slow = applied < count
        if applied < count:
            raise DependencyError(f"{failed}; {applied} of {count} updates were done") from failed

    async def _upsert_what_fits(self) -> tuple[int, DependencyError | None]:
        """How many of the updates, in order, are in their rows, and why not all."""
        # After a batch that was too much, the next is not tried at once: that would take half of its time.
        if not self._ports.retry_state.database_is_slow:
            try:
                await self._upsert(self._updates)
            except StatementTimeoutError as error:
                if len(self._updates) == 1:
                    return 0, error
            else:
                return len(self._updates), None
        return await self._upsert_in_parts()

    async def _upsert(self, updates: Sequence[Update]) -> None:
        updates = self._not_refused(updates)
        if not updates:
            return
        folded = fold(updates)
        try:
            upserted = await self._ports.catalog.upsert(folded.changes, within_seconds=self._time_left())
        except CatalogRefusedError:
            await self._upsert_one_by_one(updates)
            return
        self._report.products_changed += upserted.changed
        self._report.stale_updates += folded.superseded + len(folded.changes) - upserted.changed
        self._report.has_pending_invalidations |= upserted.has_pending_invalidations

    async def _upsert_one_by_one(self, updates: Sequence[Update]) -> None:
        """Each update on its own: folded, a good one would go down with a newer one that is refused.

        What is refused is remembered at once: if the time is up before all is done, the next attempt goes on
        from there.
        """
        # In the order in which every upsert locks rows.
        updates = sorted(updates, key=lambda update: update.product_id)
        for start in range(0, len(updates), _ONE_BY_ONE_AT_ONCE):
            part = updates[start : start + _ONE_BY_ONE_AT_ONCE]
            changes = [fold([update]).changes[0] for update in part]
            upserted, refusals = await self._ports.catalog.upsert_one_by_one(
                changes, within_seconds=self._time_left()
            )
            for position, message in refusals:
                self._refused[part[position].record] = message
                self._ports.retry_state.refused.add(part[position].record, message)
            self._report.products_changed += upserted.changed
            self._report.stale_updates += len(part) - len(refusals) - upserted.changed
            self._report.has_pending_invalidations |= upserted.has_pending_invalidations

    def _remembered(self) -> dict[Record, str]:
        """What earlier attempts found the table to refuse."""
        known = self._ports.retry_state.refused
        if not known:
            return {}
        records = (update.record for update in self._updates)
        return {record: message for record in records if (message := known.get(record)) is not None}

    def _not_refused(self, updates: Sequence[Update]) -> Sequence[Update]:
        if not self._refused:
            return updates
        return [update for update in updates if update.record not in self._refused]

    async def _upsert_in_parts(self) -> tuple[int, DependencyError | None]:
        """Upsert as many updates, in order, as there is time for; how many, and what ended it."""
        clock = self._ports.clock
        waiting = await self._waiting()
        failed: DependencyError | None = None
        begin, size, most = 0, 1, len(waiting)
        while begin < len(waiting):
            started = clock.monotonic()
            part = [self._updates[position] for position in waiting[begin : begin + size]]
            try:
                await self._upsert(part)
            except StatementTimeoutError as error:
                failed = error
                if size == 1:
                    break
                most = size = max(1, size // _GROWTH)
                continue
            except DependencyError as error:
                failed = error  # what was done before it is done all the same
                break
            begin += len(part)
            one = (clock.monotonic() - started) / len(part)
            # The next one has half of the time left before it is cut off.
            fitting = int(self._time_left() / 3 / one) if one > 0 else most
            if fitting < 1 and self._time_left() < 2 * one:
                failed = failed or DependencyError(f"database: {one:.2f} s a row")
                break
            size = max(1, min(size * _GROWTH, fitting, most))
        return (waiting[begin] if begin < len(waiting) else len(self._updates)), failed

    async def _waiting(self) -> list[int]:
        """Positions of the updates that no earlier attempt has applied: a look costs less than a write."""
        updates = self._not_refused(self._updates)
        if not updates:
            return []
        changes = await self._ports.catalog.outdated(fold(updates).changes, within_seconds=self._time_left())
        products = {change.product_id for change in changes}
        return [
            place
            for place, update in enumerate(self._updates)
            if update.product_id in products and update.record not in self._refused
        ]

    async def _finish(self, updates: Sequence[Update]) -> None:
        """What follows the commit, after which the updates' records are safe."""
        started = self._ports.clock.monotonic()
        try:
            # Also when nothing changed: an earlier attempt may have committed and died before this.
            await self._invalidate(sorted({update.product_id for update in self._not_refused(updates)}))
        finally:
            self._report.add_stage_time("invalidate", self._ports.clock.monotonic() - started)
        if len(updates) < len(self._updates):
            # Without those of a Kinesis record that comes again, since not all of it was done.
            cut = self._updates[len(updates)].record.sequence_number
            updates = [update for update in updates if update.record.sequence_number != cut]
            await self._quarantine_refused(updates)
            self.done.update(update.record for update in updates)
        else:
            await self._quarantine_refused(updates)

    async def _quarantine_refused(self, updates: Sequence[Update]) -> None:
        if not self._refused:
            return
        rejections = [
            Rejection(update.record, Reason.CATALOG_REFUSED, message, update.supplier)
            for update in updates
            if (message := self._refused.get(update.record)) is not None
        ]
        if rejections:
            await self._ports.quarantine.put(rejections)
            self._report.count_rejections(rejections)
            self._report.accepted -= len(rejections)
            self._ports.retry_state.refused.discard(rejection.record for rejection in rejections)

    async def _invalidate(self, products: Sequence[str]) -> None:
        if not products:
            return
        if self._report.pending_invalidations_added:
            # The batch's other slices have waited for a cache that is ill; this one need not.
            await self._add_pending(products)
            return
        try:
            # Half of the time, so that some is left to record what could not be invalidated.
            left = self._deadline - self._ports.clock.monotonic()
            await self._ports.cache.invalidate(products, within_seconds=min(INVALIDATION_SECONDS, left / 2))
        except CacheUnavailableError as error:
            self._report.warnings.append(error)
            await self._add_pending(products)

    async def _add_pending(self, products: Sequence[str]) -> None:
        await self._ports.catalog.add_pending_invalidations(products)
        self._report.pending_invalidations_added += len(products)

    def _time_left(self) -> float:
        """Seconds in which rows may be written: less is left to what follows them."""
        left = self._deadline - self._ports.clock.monotonic()
        return left - min(_RESERVE_SECONDS, _RESERVE_SHARE * self._budget)
