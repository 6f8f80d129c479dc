"""Pending invalidations are drained by the next batch or the schedule."""

import pytest

from processor.errors import CacheUnavailableError, DependencyError
from processor.pending_invalidations import PAGE_OF_BATCH, PAGE_OF_SCHEDULE, drain_all
from processor.report import DrainReport
from tests.support.batches import check_done, good
from tests.support.fakes import BUDGET_SECONDS, FakeServices
from tests.support.faults import Fault, always
from tests.support.simulated_time import simulate


def drained(services: FakeServices, *, seconds: float = BUDGET_SECONDS) -> DrainReport:
    """Return what the schedule's drain reports."""

    async def scenario() -> DrainReport:
        return await drain_all(services.ports, services.clock.monotonic() + seconds)

    return simulate(scenario())


def test_the_next_batch_drains_pending_invalidations() -> None:
    services = FakeServices(always(cache_invalidate=Fault.FAILS))
    services.process(good(1), good(2))
    services.faults.plan = lambda _: None
    report = services.process(good(3))
    check_done(report)
    assert services.cache.invalidated == [["p3"], ["p1", "p2"]]
    assert services.catalog.pending == {}
    assert report.pending_invalidations_drained == 2


@pytest.mark.parametrize("refused", ["p1", "p2"])
def test_pending_invalidations_are_drained_beside_a_refused_update(refused: str) -> None:
    services = FakeServices()
    services.catalog.refuses = lambda change: change.product_id == refused
    services.catalog.add_pending("other")
    assert services.process(good(1), good(2)).pending_invalidations_drained == 1
    assert services.catalog.pending == {}


def test_one_added_after_the_delete_is_kept() -> None:
    services = FakeServices()
    services.catalog.add_pending("p")

    def another_process_adds_it() -> None:
        services.catalog.add_pending("p")

    services.cache.deleting = another_process_adds_it
    report = drained(services)
    assert report.pending_invalidations_drained == 0
    assert set(services.catalog.pending) == {"p"}


def test_the_schedule_drains_all_page_by_page() -> None:
    services = FakeServices()
    for number in range(2 * PAGE_OF_SCHEDULE + 1):
        services.catalog.add_pending(f"p{number}")
    report = drained(services)
    assert (report.pending_invalidations_drained, report.warnings) == (2 * PAGE_OF_SCHEDULE + 1, [])
    assert [len(products) for products in services.cache.invalidated] == [PAGE_OF_SCHEDULE] * 2 + [1]
    assert services.catalog.pending == {}


def test_a_batch_drains_one_page() -> None:
    services = FakeServices()
    for number in range(PAGE_OF_BATCH + 1):
        services.catalog.add_pending(f"x{number}")
    report = services.process(good(1))
    check_done(report)
    assert report.pending_invalidations_drained == PAGE_OF_BATCH
    assert len(services.catalog.pending) == 1


def test_a_drain_leaves_the_work_to_one_that_has_begun() -> None:
    services = FakeServices()
    services.catalog.add_pending("p")
    services.catalog.drained_by = "another process"
    assert drained(services) == DrainReport(another_drains=True)
    assert services.cache.invalidated == []
    services.catalog.drained_by = None
    assert drained(services) == DrainReport(pending_invalidations_drained=1)
    assert services.catalog.drained_by is None, "nobody else may drain"


def test_a_drain_with_nothing_to_do_does_not_touch_the_cache() -> None:
    services = FakeServices()
    assert drained(services).pending_invalidations_drained == 0
    assert not any(name.startswith("cache.") for name in services.faults.begun)


@pytest.mark.parametrize(
    ("operation", "fault", "warned"),
    [
        ("catalog_pending_invalidations", Fault.FAILS, DependencyError),
        ("cache_invalidate", Fault.FAILS, CacheUnavailableError),
        ("cache_invalidate", Fault.FAILS_AFTERWARDS, CacheUnavailableError),
        ("catalog_remove_pending_invalidations", Fault.FAILS, DependencyError),
    ],
)
def test_a_drain_that_fails_removes_nothing(operation: str, fault: Fault, warned: type[Exception]) -> None:
    services = FakeServices(always(**{operation: fault}))
    services.catalog.add_pending("p")
    report = drained(services)
    assert [type(error) for error in report.warnings] == [warned]
    assert set(services.catalog.pending) == {"p"}
    assert services.catalog.drained_by is None


def test_a_drain_that_is_cut_off_says_so() -> None:
    services = FakeServices(always(cache_invalidate=Fault.HANGS))
    services.catalog.add_pending("p")
    (warning,) = drained(services, seconds=5.0).warnings
    assert str(warning) == "the drain was cut off by its deadline after 0 invalidations"
    assert set(services.catalog.pending) == {"p"}


@pytest.mark.parametrize(
    "operation", ["catalog.pending_invalidations", "catalog.remove_pending_invalidations", "2nd"]
)
def test_a_drain_that_fails_does_not_hold_up_the_batch(operation: str) -> None:
    services = FakeServices()

    def plan(begun: str) -> Fault | None:
        second = begun == "cache.invalidate" and services.faults.begun.count(begun) == 2
        return Fault.FAILS if begun == operation or (second and operation == "2nd") else None

    services.faults.plan = plan
    services.catalog.add_pending("other")
    report = services.process(good(1))
    check_done(report)
    assert len(report.warnings) == 1
    assert set(services.catalog.pending) == {"other"}
    assert services.catalog.drained_by is None, "nobody else may drain"


def test_nor_does_the_end_of_a_drain_that_hangs() -> None:
    services = FakeServices(always(catalog_pending_invalidations=Fault.HANGS, catalog_end_drain=Fault.HANGS))
    services.catalog.add_pending("other")

    async def scenario() -> float:
        check_done(await services.invoke(good(1)))
        return services.clock.monotonic()

    assert simulate(scenario()) == 2.0
    assert "catalog.end_drain" not in services.faults.begun
