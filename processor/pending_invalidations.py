"""Making up for missed invalidations: read who waits, delete what is cached of them, forget the misses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from processor.errors import CacheUnavailableError, DependencyError
from processor.ports import Ports
from processor.product import TIME_TO_LIVE_SECONDS
from processor.report import BatchReport, DrainReport

# As many as a batch that is done may still wait for.
PAGE_OF_A_BATCH = 5_000
PAGE_OF_THE_SCHEDULE = 20_000
# A value that was cached before the miss has expired by then, or its lease has; and some seconds for clocks.
FORGET_AFTER_SECONDS = TIME_TO_LIVE_SECONDS + 30
# A batch that is done waits no longer for older ones' invalidations; the schedule makes up for them.
_BATCH_SECONDS = 2.0
# Nobody waits for the schedule: a cache that is slow to log in to is worth it.
_SCHEDULE_PATIENCE_SECONDS = 10.0


async def make_up(ports: Ports, report: BatchReport, deadline: float) -> None:
    """Make up for some of the earlier batches' missed invalidations; whatever happens, this batch is done."""
    try:
        async with asyncio.timeout(min(_BATCH_SECONDS, deadline - ports.clock.monotonic())):
            async with _drain_ended(ports):
                missed = await ports.catalog.missed_invalidations(PAGE_OF_A_BATCH)
                if missed:
                    await ports.cache.invalidate([miss.product_id for miss in missed])
                    report.invalidations_made_up = await ports.catalog.forget_missed_invalidations(missed)
    except Exception as error:  # noqa: BLE001 they are still recorded, and an error here would halve a done batch
        report.warnings.append(error)


async def drain(ports: Ports, deadline: float) -> DrainReport:
    """Make up for all missed invalidations; what is left at the deadline waits for the next schedule.

    Two drains never overlap: the second one leaves the work to the first, and reports it.
    """
    report = DrainReport()
    try:
        async with asyncio.timeout(deadline - ports.clock.monotonic()):
            await ports.catalog.take_back_marks()
            report.invalidations_forgotten = await ports.catalog.forget_old_misses(FORGET_AFTER_SECONDS)
            await _drain_pages(ports, report)
            await ports.catalog.tidy()
    except TimeoutError:
        cut_off = f"the drain was cut off by its deadline after {report.invalidations_made_up} invalidations"
        report.warnings.append(DependencyError(cut_off))
    except (CacheUnavailableError, DependencyError) as error:
        report.warnings.append(error)
    return report


async def _drain_pages(ports: Ports, report: DrainReport) -> None:
    after = ""
    async with _drain_ended(ports):
        while missed := await ports.catalog.missed_invalidations(PAGE_OF_THE_SCHEDULE, after=after):
            products = [miss.product_id for miss in missed]
            await ports.cache.invalidate(products, within_seconds=_SCHEDULE_PATIENCE_SECONDS)
            # Only what was read before the delete: a miss recorded since may be of a newer value.
            report.invalidations_made_up += await ports.catalog.forget_missed_invalidations(missed)
            after = products[-1]
        report.another_drains = missed is None


@asynccontextmanager
async def _drain_ended(ports: Ports) -> AsyncIterator[None]:
    """Let another process drain afterwards; cancelled, nothing is waited for: the drain ends by itself."""
    try:
        yield
    finally:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            await ports.catalog.end_drain()
