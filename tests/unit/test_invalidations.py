"""Missed invalidations are made up for, by the next batch or the schedule."""

import pytest

from processor.errors import CacheUnavailableError, DependencyError
from processor.invalidations import PAGE_OF_A_BATCH, PAGE_OF_THE_SCHEDULE, drain
from processor.report import DrainReport
from tests.support.batches import check_done, good
from tests.support.fakes import BUDGET_SECONDS, FakeServices, Fault, always
from tests.support.simulated_time import simulate


def drained(services: FakeServices, *, seconds: float = BUDGET_SECONDS) -> DrainReport:
    """What the schedule's drain reports."""

    async def scenario() -> DrainReport:
        return await drain(services.ports, services.clock.monotonic() + seconds)

    return simulate(scenario())


def test_missed_invalidations_are_made_up_for_by_the_next_batch() -> None:
    services = FakeServices(always(cache_invalidate=Fault.FAILS))
    services.process(good(1), good(2))
    services.faults.plan = lambda _: None
    report = services.process(good(3))
    check_done(report)
    assert services.cache.invalidated == [["p3"], ["p1", "p2"]]
    assert services.catalog.missed == {}
    assert report.invalidations_made_up == 2


@pytest.mark.parametrize("refused", ["p1", "p2"])
def test_misses_are_made_up_for_beside_a_refused_update(refused: str) -> None:
    services = FakeServices()
    services.catalog.refuses = lambda change: change.product_id == refused
    services.catalog.miss("other")
    assert services.process(good(1), good(2)).invalidations_made_up == 1
    assert services.catalog.missed == {}


def test_a_miss_that_is_newer_than_the_delete_is_kept() -> None:
    services = FakeServices()
    services.catalog.miss("p")

    def another_process_misses() -> None:
        services.catalog.miss("p")

    services.cache.deleting = another_process_misses
    report = drained(services)
    assert report.invalidations_made_up == 0
    assert set(services.catalog.missed) == {"p"}


def test_the_schedule_makes_up_for_all_of_them_page_by_page() -> None:
    services = FakeServices()
    for number in range(2 * PAGE_OF_THE_SCHEDULE + 1):
        services.catalog.miss(f"p{number}")
    report = drained(services)
    assert (report.invalidations_made_up, report.warnings) == (2 * PAGE_OF_THE_SCHEDULE + 1, [])
    assert [len(products) for products in services.cache.invalidated] == [PAGE_OF_THE_SCHEDULE] * 2 + [1]
    assert services.catalog.missed == {}


def test_a_batch_makes_up_for_one_page() -> None:
    services = FakeServices()
    for number in range(PAGE_OF_A_BATCH + 1):
        services.catalog.miss(f"x{number}")
    report = services.process(good(1))
    check_done(report)
    assert report.invalidations_made_up == PAGE_OF_A_BATCH
    assert len(services.catalog.missed) == 1


def test_a_drain_leaves_the_work_to_the_one_that_is_at_it() -> None:
    services = FakeServices()
    services.catalog.miss("p")
    services.catalog.drained_by = "another process"
    assert drained(services) == DrainReport(another_drains=True)
    assert services.cache.invalidated == []
    services.catalog.drained_by = None
    assert drained(services) == DrainReport(invalidations_made_up=1)
    assert services.catalog.drained_by is None, "nobody else may drain"


def test_a_drain_with_nothing_to_do_does_not_touch_the_cache() -> None:
    services = FakeServices()
    assert drained(services).invalidations_made_up == 0
    assert not any(name.startswith("cache.") for name in services.faults.begun)


@pytest.mark.parametrize(
    ("operation", "fault", "warned"),
    [
        ("catalog_missed_invalidations", Fault.FAILS, DependencyError),
        ("cache_invalidate", Fault.FAILS, CacheUnavailableError),
        ("cache_invalidate", Fault.FAILS_AFTERWARDS, CacheUnavailableError),
        ("catalog_forget_missed_invalidations", Fault.FAILS, DependencyError),
    ],
)
def test_a_drain_that_fails_forgets_nothing(operation: str, fault: Fault, warned: type[Exception]) -> None:
    services = FakeServices(always(**{operation: fault}))
    services.catalog.miss("p")
    report = drained(services)
    assert [type(error) for error in report.warnings] == [warned]
    assert set(services.catalog.missed) == {"p"}
    assert services.catalog.drained_by is None


def test_a_drain_that_is_cut_off_says_so() -> None:
    services = FakeServices(always(cache_invalidate=Fault.HANGS))
    services.catalog.miss("p")
    (warning,) = drained(services, seconds=5.0).warnings
    assert str(warning) == "the drain was cut off by its deadline after 0 invalidations"
    assert set(services.catalog.missed) == {"p"}


@pytest.mark.parametrize(
    "operation", ["catalog.missed_invalidations", "catalog.forget_missed_invalidations", "2nd"]
)
def test_a_drain_that_fails_does_not_hold_up_the_batch(operation: str) -> None:
    services = FakeServices()

    def plan(begun: str) -> Fault | None:
        second = begun == "cache.invalidate" and services.faults.begun.count(begun) == 2
        return Fault.FAILS if begun == operation or (second and operation == "2nd") else None

    services.faults.plan = plan
    services.catalog.miss("other")
    report = services.process(good(1))
    check_done(report)
    assert len(report.warnings) == 1
    assert set(services.catalog.missed) == {"other"}
    assert services.catalog.drained_by is None, "nobody else may drain"


def test_nor_does_the_end_of_a_drain_that_hangs() -> None:
    services = FakeServices(always(catalog_missed_invalidations=Fault.HANGS, catalog_end_drain=Fault.HANGS))
    services.catalog.miss("other")

    async def scenario() -> float:
        check_done(await services.invoke(good(1)))
        return services.clock.monotonic()

    assert simulate(scenario()) == 2.0
    assert "catalog.end_drain" not in services.faults.begun
