"""Records that kill their process, and those that only seem to."""

import pytest

from processor.attempts import LONE_RECORD_AGE_MS
from processor.records import Record
from tests.support.batches import FAULTS, bad, check_done, good
from tests.support.events import ARRIVAL_MS, aggregate, record, sequence
from tests.support.fakes import Fault, Plan, World, always

OLD = ARRIVAL_MS + LONE_RECORD_AGE_MS + 1


def old_world(plan: Plan = lambda _: None, *, marks: int = 0) -> World:
    """Return a world where this module's records are ten minutes and 1 ms old; record 0 has marks."""
    world = World(plan)
    world.clock.now = OLD
    if marks:
        world.catalog.marks[good(0).shard, sequence(0)] = {
            f"dead process {number}" for number in range(marks)
        }
    return world


@pytest.mark.parametrize("lone", [good(0), bad(0)])
def test_a_lone_old_record_is_tried_under_a_mark_and_cleared(lone: Record) -> None:
    world = old_world(marks=2)
    check_done(world.process(lone))
    assert world.faults.begun[0] == "catalog.mark_attempt"
    assert world.faults.begun[-1] == "catalog.clear_attempts"
    assert world.catalog.marks == {}
    assert world.archive.records == {lone}
    assert "killed_process" not in world.quarantine.reasons


@pytest.mark.parametrize("operation", ["archive_put", "catalog_upsert"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_marks_are_cleared_after_an_ordinary_failure(operation: str, fault: Fault | Exception) -> None:
    world = old_world(always(**{operation: fault}), marks=2)
    assert world.process(good(0)).first_unfinished == sequence(0)
    assert world.catalog.marks == {}


AGGREGATED = record(aggregate([("a", good(0).data), ("b", b"x")]), 0)


@pytest.mark.parametrize(
    ("lone", "kept"),
    [(good(0), good(0)), (AGGREGATED, AGGREGATED._replace(sub_sequence=-1))],
    ids=["single", "aggregated"],
)
def test_a_record_that_left_three_marks_is_quarantined_unparsed(lone: Record, kept: Record) -> None:
    """Check that an aggregate is kept whole: its records may be archived by their sub-sequences already."""
    world = old_world(marks=3)
    report = world.process(lone)
    check_done(report)
    [rejection] = world.quarantine.rejections
    assert (rejection.record, rejection.reason) == (kept, "killed_process")
    assert world.archive.puts == [[(kept, "killed_process")]]
    assert world.catalog.rows == {}
    assert world.catalog.marks == {}
    assert report.rejected == {"killed_process": 1}


@pytest.mark.parametrize("operation", ["archive_put", "quarantine_put"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_killers_marks_stay_until_it_is_archived_and_quarantined(
    operation: str, fault: Fault | Exception
) -> None:
    world = old_world(always(**{operation: fault}), marks=3)
    assert world.process(good(0)).first_unfinished == sequence(0)
    assert world.catalog.marks
    world.faults.plan = lambda _: None
    check_done(world.process(good(0)))
    assert set(world.quarantine.reasons) == {"killed_process"}
    assert world.catalog.rows == {}


@pytest.mark.parametrize(
    ("batch", "now"),
    [
        ([good(0)], OLD - 1),
        ([good(0)], ARRIVAL_MS),
        ([good(0)], ARRIVAL_MS - 5),
        ([good(0), good(1)], OLD * 2),
    ],
)
def test_a_young_record_and_a_batch_of_two_are_not_marked(batch: list[Record], now: int) -> None:
    world = World()
    world.clock.now = now
    world.catalog.marks[good(0).shard, sequence(0)] = {f"dead process {number}" for number in range(99)}
    check_done(world.process(*batch))
    assert "catalog.mark_attempt" not in world.faults.begun
    assert world.quarantine.rejections == []


@pytest.mark.parametrize("operation", ["catalog_mark_attempt", "catalog_clear_attempts"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_record_whose_marks_cannot_be_kept_is_unfinished(operation: str, fault: Fault | Exception) -> None:
    world = old_world(always(**{operation: fault}))
    report = world.process(good(0))
    assert report.first_unfinished == sequence(0)
    if isinstance(fault, RuntimeError):
        assert report.unexpected == [fault]
    else:
        assert len(report.failures) == 1


OUTAGES = [Fault.FAILS, Fault.HANGS, Fault.FAILS_AFTERWARDS, Fault.HANGS_AFTERWARDS]


def outage_while_it_is_tried(world: World, process: str, fault: Fault) -> None:
    """Let the database become unavailable at the end of a process's attempt."""
    world.catalog.process_id = process
    world.faults.plan = always(catalog_upsert=fault, catalog_clear_attempts=fault)
    assert world.process(good(0)).first_unfinished == sequence(0)
    world.faults.plan = lambda _: None


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.HANGS])
def test_outages_in_three_processes_that_survive_condemn_no_record(fault: Fault) -> None:
    world = old_world()
    for number in range(3):
        outage_while_it_is_tried(world, f"process {number}", fault)
    assert len(world.catalog.marks[good(0).shard, sequence(0)]) == 3
    world.catalog.process_id = "a fourth process"
    check_done(world.process(good(0)))
    assert world.quarantine.rejections == []
    assert world.catalog.marks == {}


def test_a_death_beside_outages_still_counts() -> None:
    world = old_world(marks=2)
    outage_while_it_is_tried(world, "one that survives", Fault.FAILS)
    world.catalog.marks[good(0).shard, sequence(0)].add("a third that died")
    world.catalog.process_id = "the next"
    check_done(world.process(good(0)))
    assert world.quarantine.reasons == ["killed_process"]


def test_a_process_takes_its_marks_back_at_its_next_success() -> None:
    """Check that it does even if it could not note its survival."""
    world = old_world()
    world.faults.plan = always(
        catalog_upsert=Fault.FAILS, catalog_clear_attempts=Fault.FAILS, quarantine_note_survival=Fault.FAILS
    )
    world.process(good(0))
    world.faults.plan = lambda _: None
    assert world.catalog.marks[good(0).shard, sequence(0)] == {"this process"}
    check_done(world.process(good(1), good(2)))
    assert world.catalog.marks[good(0).shard, sequence(0)] == set()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_marks_that_cannot_be_taken_back_hold_up_no_batch(fault: Fault | Exception) -> None:
    world = old_world()
    outage_while_it_is_tried(world, "this process", Fault.FAILS)
    world.faults.plan = always(catalog_take_back_marks=fault)
    report = world.process(good(1), good(2))
    check_done(report)
    assert len(report.warnings) == 1


def test_survivors_that_cannot_be_listed_condemn_no_record() -> None:
    world = old_world(always(quarantine_survivors=Fault.FAILS), marks=3)
    assert world.process(good(0)).first_unfinished == sequence(0)
    assert world.quarantine.rejections == []


def test_without_time_a_record_is_neither_marked_nor_noted() -> None:
    world = old_world()
    assert world.process(good(0), budget_seconds=-1.0).first_unfinished == sequence(0)
    assert world.faults.begun == []
