"""Missed invalidations are made up for, by the next batch or the schedule."""

import pytest

from processor.errors import CacheUnavailableError, DependencyError
from processor.pending_invalidations import PAGE_OF_A_BATCH, PAGE_OF_THE_SCHEDULE, drain
from processor.report import DrainReport
from tests.support.batches import check_done, good
from tests.support.fakes import BUDGET_SECONDS, Fault, World, always
from tests.support.simulated_time import simulate


def drained(world: World, *, seconds: float = BUDGET_SECONDS) -> DrainReport:
    """What the schedule's drain reports."""

    async def scenario() -> DrainReport:
        return await drain(world.ports, world.clock.monotonic() + seconds)

    return simulate(scenario())


def test_missed_invalidations_are_made_up_for_by_the_next_batch() -> None:
    world = World(always(cache_invalidate=Fault.FAILS))
    world.process(good(1), good(2))
    world.faults.plan = lambda _: None
    report = world.process(good(3))
    check_done(report)
    assert world.cache.invalidated == [["p3"], ["p1", "p2"]]
    assert world.catalog.missed == {}
    assert report.invalidations_made_up == 2


@pytest.mark.parametrize("refused", ["p1", "p2"])
def test_misses_are_made_up_for_beside_a_refused_update(refused: str) -> None:
    world = World()
    world.catalog.refuses = lambda change: change.product_id == refused
    world.catalog.miss("other")
    assert world.process(good(1), good(2)).invalidations_made_up == 1
    assert world.catalog.missed == {}


def test_a_miss_that_is_newer_than_the_delete_is_kept() -> None:
    world = World()
    world.catalog.miss("p")

    def another_process_misses() -> None:
        world.catalog.miss("p")

    world.cache.deleting = another_process_misses
    report = drained(world)
    assert report.invalidations_made_up == 0
    assert set(world.catalog.missed) == {"p"}


def test_the_schedule_makes_up_for_all_of_them_page_by_page() -> None:
    world = World()
    for number in range(2 * PAGE_OF_THE_SCHEDULE + 1):
        world.catalog.miss(f"p{number}")
    report = drained(world)
    assert (report.invalidations_made_up, report.warnings) == (2 * PAGE_OF_THE_SCHEDULE + 1, [])
    assert [len(products) for products in world.cache.invalidated] == [PAGE_OF_THE_SCHEDULE] * 2 + [1]
    assert world.catalog.missed == {}


def test_a_batch_makes_up_for_one_page() -> None:
    world = World()
    for number in range(PAGE_OF_A_BATCH + 1):
        world.catalog.miss(f"x{number}")
    report = world.process(good(1))
    check_done(report)
    assert report.invalidations_made_up == PAGE_OF_A_BATCH
    assert len(world.catalog.missed) == 1


def test_a_drain_leaves_the_work_to_the_one_that_is_at_it() -> None:
    world = World()
    world.catalog.miss("p")
    world.catalog.drained_by = "another process"
    assert drained(world) == DrainReport(another_drains=True)
    assert world.cache.invalidated == []
    world.catalog.drained_by = None
    assert drained(world) == DrainReport(invalidations_made_up=1)
    assert world.catalog.drained_by is None, "nobody else may drain"


def test_a_drain_with_nothing_to_do_does_not_touch_the_cache() -> None:
    world = World()
    assert drained(world).invalidations_made_up == 0
    assert not any(name.startswith("cache.") for name in world.faults.begun)


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
    world = World(always(**{operation: fault}))
    world.catalog.miss("p")
    report = drained(world)
    assert [type(error) for error in report.warnings] == [warned]
    assert set(world.catalog.missed) == {"p"}
    assert world.catalog.drained_by is None


def test_a_drain_that_is_cut_off_says_so() -> None:
    world = World(always(cache_invalidate=Fault.HANGS))
    world.catalog.miss("p")
    (warning,) = drained(world, seconds=5.0).warnings
    assert str(warning) == "the drain was cut off by its deadline after 0 invalidations"
    assert set(world.catalog.missed) == {"p"}


@pytest.mark.parametrize(
    "operation", ["catalog.missed_invalidations", "catalog.forget_missed_invalidations", "2nd"]
)
def test_a_drain_that_fails_does_not_hold_up_the_batch(operation: str) -> None:
    world = World()

    def plan(begun: str) -> Fault | None:
        second = begun == "cache.invalidate" and world.faults.begun.count(begun) == 2
        return Fault.FAILS if begun == operation or (second and operation == "2nd") else None

    world.faults.plan = plan
    world.catalog.miss("other")
    report = world.process(good(1))
    check_done(report)
    assert len(report.warnings) == 1
    assert set(world.catalog.missed) == {"other"}
    assert world.catalog.drained_by is None, "nobody else may drain"


def test_nor_does_the_end_of_a_drain_that_hangs() -> None:
    world = World(always(catalog_missed_invalidations=Fault.HANGS, catalog_end_drain=Fault.HANGS))
    world.catalog.miss("other")

    async def scenario() -> float:
        check_done(await world.invoke(good(1)))
        return world.clock.monotonic()

    assert simulate(scenario()) == 2.0
    assert "catalog.end_drain" not in world.faults.begun
