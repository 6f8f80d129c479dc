"""Updates → rows: fold, upsert, then invalidate; less at a time where the database is slow or refuses.

The whole batch goes at once. If the table refuses it, each update goes on its own, and what is
refused is quarantined. If the database answers, but not in time, the updates go in parts, in the order of
their records, as many as there is time for: each attempt gets further than the one before (ADR 16).
"""

from collections.abc import Sequence
from contextlib import suppress

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
from processor.report import CatalogResult
from processor.updates import Rejection, Update

# After the last part, this much of the time remains for invalidation and quarantine.
_RESERVE_SHARE = 0.25
_RESERVE_SECONDS = 2.0
# Parts begin with one update and grow by this factor as long as there is time for it.
_GROWTH = 4
_MAX_ONE_BY_ONE = 1_000


class CatalogStage:
    """The catalog's stage for some updates.

    `done`: the records that are safe even if the stage fails. `result`: what it did, even if it fails.

    Args:
        skip_cache: record the products as pending invalidations without trying the cache.
    """

    def __init__(
        self, updates: Sequence[Update], ports: Ports, deadline: float, *, skip_cache: bool = False
    ) -> None:
        self.done: set[Record] = set()
        self.result = CatalogResult()
        self._updates = updates
        self._ports = ports
        self._deadline = deadline
        self._skip_cache = skip_cache
        self._budget = deadline - ports.clock.monotonic()
        # A copy: the retry state may drop a record at any time, and one that is neither written nor
        # quarantined would be lost.
        self._refused = self._refused_before()

    async def run(self) -> None:
        """Apply as many updates as there is time for. Raises: DependencyError if that is not all."""
        retry_state = self._ports.retry_state
        count = len(self._updates)
        left: Sequence[int] = range(count)
        failed: DependencyError | None = None
        # Skip the single statement, half of the time, if the database was too slow for the last batch.
        if not retry_state.database_is_slow:
            try:
                await self._upsert(self._updates)
                left = ()
            except StatementTimeoutError as error:
                failed = error
                # If even comparing is too slow in what is left, the next attempt has all of its time for it.
                retry_state.database_is_slow = True
        # The single statement was skipped or too slow; for one update, the same would be tried again.
        if left and (failed is None or count > 1):
            left, failed = await self._upsert_in_parts()
        if len(left) < count:
            await self._finish(left)
        retry_state.database_is_slow = bool(left)
        if left:
            raise DependencyError(f"{failed}; {left[0]} of {count} updates were done") from failed

    async def _upsert(self, updates: Sequence[Update]) -> None:
        updates = self._not_refused(updates)
        if not updates:
            return
        folded = fold(updates)
        try:
            upserted = await self._ports.catalog.upsert(
                folded.changes, within_seconds=self._seconds_for_rows()
            )
        except CatalogRefusedError:
            await self._upsert_one_by_one(updates)
            return
        self.result.products_changed += upserted.changed
        self.result.stale_updates += folded.superseded + len(folded.changes) - upserted.changed
        self.result.has_pending_invalidations |= upserted.has_pending_invalidations

    async def _upsert_one_by_one(self, updates: Sequence[Update]) -> None:
        """Apply each update on its own: a fold could drop a good one for a newer one that the table refuses.

        Refusals are remembered immediately, so that the next attempt goes on from there if the time is up.
        """
        # In the order in which every upsert locks rows.
        updates = sorted(updates, key=lambda update: update.product_id)
        for start in range(0, len(updates), _MAX_ONE_BY_ONE):
            part = updates[start : start + _MAX_ONE_BY_ONE]
            changes = [fold([update]).changes[0] for update in part]
            upserted, refusals = await self._ports.catalog.upsert_one_by_one(
                changes, within_seconds=self._seconds_for_rows()
            )
            for refusal in refusals:
                record = part[refusal.position].record
                self._refused[record] = refusal.message
                self._ports.retry_state.refused.add(record, refusal.message)
            self.result.products_changed += upserted.changed
            self.result.stale_updates += len(part) - len(refusals) - upserted.changed
            self.result.has_pending_invalidations |= upserted.has_pending_invalidations

    def _refused_before(self) -> dict[Record, str]:
        """Return what earlier attempts found the table to refuse, and its messages."""
        known = self._ports.retry_state.refused
        if not known:
            return {}
        records = (update.record for update in self._updates)
        return {record: message for record in records if (message := known.get(record)) is not None}

    def _not_refused(self, updates: Sequence[Update]) -> Sequence[Update]:
        if not self._refused:
            return updates
        return [update for update in updates if update.record not in self._refused]

    async def _upsert_in_parts(self) -> tuple[Sequence[int], DependencyError | None]:
        """Upsert as many updates, in order, as there is time for.

        Return the positions of those that are left, in order, and what ended it.
        """
        clock = self._ports.clock
        outstanding = await self._outstanding()
        failed: DependencyError | None = None
        begin, size, most = 0, 1, len(outstanding)
        while begin < len(outstanding):
            started = clock.monotonic()
            part = [self._updates[position] for position in outstanding[begin : begin + size]]
            try:
                await self._upsert(part)
            except StatementTimeoutError as error:
                failed = error
                if size == 1:
                    break
                most = size = max(1, size // _GROWTH)
                continue
            except DependencyError as error:
                failed = error  # the parts before it are done all the same
                break
            begin += len(part)
            seconds_per_row = (clock.monotonic() - started) / len(part)
            # A statement is cut off after half of the time left, so plan for a third.
            fitting = int(self._seconds_for_rows() / 3 / seconds_per_row) if seconds_per_row > 0 else most
            if fitting < 1 and self._seconds_for_rows() < 2 * seconds_per_row:
                failed = failed or DependencyError(f"database: {seconds_per_row:.2f} s per row")
                break
            size = max(1, min(size * _GROWTH, fitting, most))
        return outstanding[begin:], failed

    async def _outstanding(self) -> list[int]:
        """Return the positions of updates no earlier attempt applied; reading costs less than writing.

        Each update is compared on its own: a newer one of its product may be left, and it may be done.
        """
        positions = [
            position for position, update in enumerate(self._updates) if update.record not in self._refused
        ]
        if not positions:
            return []
        changes = [fold([self._updates[position]]).changes[0] for position in positions]
        outdated = changes
        # A value that the database cannot even compare is refused when its update is written.
        with suppress(CatalogRefusedError):
            outdated = await self._ports.catalog.outdated(changes, within_seconds=self._seconds_for_rows())
        left = set(map(id, outdated))
        return [position for position, change in zip(positions, changes, strict=True) if id(change) in left]

    async def _finish(self, left: Sequence[int]) -> None:
        """Do what follows the commit of all updates but those left, after which their records are safe."""
        started = self._ports.clock.monotonic()
        try:
            # Also what did not change: an earlier attempt may have committed and died before this. Also what
            # is left: half of a statement that failed may have been applied.
            await self._invalidate(sorted({update.product_id for update in self._not_refused(self._updates)}))
        finally:
            self.result.invalidate_seconds = self._ports.clock.monotonic() - started
        updates = self._updates
        if left:
            # If only a part of an aggregate was applied, Lambda delivers all of it again: none of it is done.
            partial_record = updates[left[0]].record.sequence_number
            updates = [
                update for update in updates[: left[0]] if update.record.sequence_number != partial_record
            ]
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
            self.result.refused += rejections
            self._ports.retry_state.refused.discard(rejection.record for rejection in rejections)

    async def _invalidate(self, product_ids: Sequence[str]) -> None:
        if not product_ids:
            return
        if not self._skip_cache:
            try:
                # Half of the time, so that some is left to record what could not be invalidated.
                left = self._deadline - self._ports.clock.monotonic()
                await self._ports.cache.invalidate(
                    product_ids, within_seconds=min(INVALIDATION_SECONDS, left / 2)
                )
            except CacheUnavailableError as error:
                self.result.warnings.append(error)
            else:
                return
        await self._ports.catalog.add_pending_invalidations(product_ids)
        self.result.pending_invalidations_added += len(product_ids)

    def _seconds_for_rows(self) -> float:
        """Return the seconds left for writing rows, without the reserve for invalidation and quarantine."""
        left = self._deadline - self._ports.clock.monotonic()
        return left - min(_RESERVE_SECONDS, _RESERVE_SHARE * self._budget)
