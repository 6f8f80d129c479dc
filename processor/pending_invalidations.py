"""Drain pending invalidations: read them, delete what is cached of their products, remove them.

They are added by batches that could not reach the cache. The next batch drains one page of them; the schedule
drains all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from processor.cache_keys import CACHE_TIME_TO_LIVE_SECONDS, LEASE_SECONDS
from processor.errors import CacheUnavailableError, DependencyError
from processor.ports import Ports
from processor.report import DrainReport

# As many as fit into `_BATCH_SECONDS`: a finished batch waits no longer.
PAGE_OF_BATCH = 5_000
PAGE_OF_SCHEDULE = 20_000
# A lease that was not deleted lets a reader store an old value for up to LEASE_SECONDS; that value lives for
# CACHE_TIME_TO_LIVE_SECONDS more. 20 s allow for clocks that differ.
EXPIRED_AFTER_SECONDS = CACHE_TIME_TO_LIVE_SECONDS + LEASE_SECONDS + 20
# A finished batch does not wait longer for invalidations of earlier batches; the schedule drains the rest.
_BATCH_SECONDS = 2.0
# Nobody waits for the schedule, so it can afford a slow login to the cache.
_SCHEDULE_INVALIDATION_SECONDS = 10.0


async def drain_page(ports: Ports, deadline: float) -> DrainReport:
    """Drain some of the earlier batches' pending invalidations. Never raises: the batch is already done."""
    report = DrainReport()
    try:
        async with asyncio.timeout(min(_BATCH_SECONDS, deadline - ports.clock.monotonic())):
            async with _end_drain_after(ports):
                pending = await ports.catalog.pending_invalidations(PAGE_OF_BATCH)
                if pending:
                    await ports.cache.invalidate([entry.product_id for entry in pending])
                    report.pending_invalidations_drained = await ports.catalog.remove_pending_invalidations(
                        pending
                    )
    except Exception as error:  # noqa: BLE001 they are still recorded, and an error would bisect a finished batch
        report.warnings.append(error)
    return report


async def drain_all(ports: Ports, deadline: float) -> DrainReport:
    """Drain all pending invalidations; what is left at the deadline waits for the next scheduled run.

    Two drains never overlap: the second leaves the work to the first and reports that.
    """
    report = DrainReport()
    try:
        async with asyncio.timeout(deadline - ports.clock.monotonic()):
            await ports.catalog.take_back_marks()
            report.pending_invalidations_expired = await ports.catalog.remove_expired_pending_invalidations(
                EXPIRED_AFTER_SECONDS
            )
            await _drain_pages(ports, report)
            await ports.catalog.tidy()
    except TimeoutError:
        drained = report.pending_invalidations_drained
        report.warnings.append(
            DependencyError(f"the drain was cut off by its deadline after {drained} invalidations")
        )
    except (CacheUnavailableError, DependencyError) as error:
        report.warnings.append(error)
    return report


async def _drain_pages(ports: Ports, report: DrainReport) -> None:
    after = ""
    async with _end_drain_after(ports):
        while pending := await ports.catalog.pending_invalidations(PAGE_OF_SCHEDULE, after=after):
            product_ids = [entry.product_id for entry in pending]
            await ports.cache.invalidate(product_ids, within_seconds=_SCHEDULE_INVALIDATION_SECONDS)
            # Only those read before the delete: one added since may be for a newer value.
            report.pending_invalidations_drained += await ports.catalog.remove_pending_invalidations(pending)
            after = product_ids[-1]
        # An empty page is the end; None: another process drains.
        report.another_drains = pending is None


@asynccontextmanager
async def _end_drain_after(ports: Ports) -> AsyncIterator[None]:
    """End the drain after the block, so that another process may begin one.

    A cancelled block does not wait for that: after some seconds, the catalog lets another process drain.
    """
    try:
        yield
    finally:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            await ports.catalog.end_drain()
