"""Records that kill their process, and those that only seem to."""

import pytest

from processor.poison_records import SUSPECT_AGE_MS
from processor.records import Record
from tests.support.batches import FAULTS, bad, check_done, good
from tests.support.events import ARRIVAL_MS, aggregate, record, sequence
from tests.support.fakes import FakeServices
from tests.support.faults import Fault, Plan, always

OLD = ARRIVAL_MS + SUSPECT_AGE_MS + 1


def old_world(plan: Plan = lambda _: None, *, marks: int = 0) -> FakeServices:
    """Return services whose clock says that this module's records are ten minutes old; record 0 has marks."""
    services = FakeServices(plan)
    services.clock.now = OLD
    if marks:
        services.catalog.marks[good(0).shard, sequence(0)] = {
            f"dead process {number}" for number in range(marks)
        }
    return services


@pytest.mark.parametrize("lone", [good(0), bad(0)])
def test_a_lone_old_record_is_tried_under_a_mark_and_cleared(lone: Record) -> None:
    services = old_world(marks=2)
    check_done(services.process(lone))
    assert services.faults.begun[0] == "catalog.mark_attempt"
    assert services.faults.begun[-1] == "catalog.clear_attempts"
    assert services.catalog.marks == {}
    assert services.archive.records == {lone}
    assert "killed_process" not in services.quarantine.reasons


@pytest.mark.parametrize("operation", ["archive_put", "catalog_upsert"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_marks_are_cleared_after_an_ordinary_failure(operation: str, fault: Fault | Exception) -> None:
    services = old_world(always(**{operation: fault}), marks=2)
    assert services.process(good(0)).first_unfinished == sequence(0)
    assert services.catalog.marks == {}


AGGREGATED = record(aggregate([("a", good(0).data), ("b", b"x")]), 0)


@pytest.mark.parametrize(
    ("lone", "kept"),
    [(good(0), good(0)), (AGGREGATED, AGGREGATED._replace(sub_sequence=-1))],
    ids=["single", "aggregated"],
)
def test_a_record_that_left_three_marks_is_quarantined_unparsed(lone: Record, kept: Record) -> None:
    """Check that an aggregate is kept whole: its records may be archived by their sub-sequences already."""
    services = old_world(marks=3)
    report = services.process(lone)
    check_done(report)
    [rejection] = services.quarantine.rejections
    assert (rejection.record, rejection.reason) == (kept, "killed_process")
    assert services.archive.puts == [[(kept, "killed_process")]]
    assert services.catalog.rows == {}
    assert services.catalog.marks == {}
    assert report.rejected == {"killed_process": 1}


@pytest.mark.parametrize("operation", ["archive_put", "quarantine_put"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_killers_marks_stay_until_it_is_archived_and_quarantined(
    operation: str, fault: Fault | Exception
) -> None:
    services = old_world(always(**{operation: fault}), marks=3)
    assert services.process(good(0)).first_unfinished == sequence(0)
    assert services.catalog.marks
    services.faults.plan = lambda _: None
    check_done(services.process(good(0)))
    assert set(services.quarantine.reasons) == {"killed_process"}
    assert services.catalog.rows == {}


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
    services = FakeServices()
    services.clock.now = now
    services.catalog.marks[good(0).shard, sequence(0)] = {f"dead process {number}" for number in range(99)}
    check_done(services.process(*batch))
    assert "catalog.mark_attempt" not in services.faults.begun
    assert services.quarantine.rejections == []


@pytest.mark.parametrize("operation", ["catalog_mark_attempt", "catalog_clear_attempts"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_record_whose_marks_cannot_be_kept_is_unfinished(operation: str, fault: Fault | Exception) -> None:
    services = old_world(always(**{operation: fault}))
    report = services.process(good(0))
    assert report.first_unfinished == sequence(0)
    if isinstance(fault, RuntimeError):
        assert report.unexpected == [fault]
    else:
        assert len(report.failures) == 1


OUTAGES = [Fault.FAILS, Fault.HANGS, Fault.FAILS_AFTERWARDS, Fault.HANGS_AFTERWARDS]


def outage_while_it_is_tried(services: FakeServices, process: str, fault: Fault) -> None:
    """Let the database become unavailable at the end of a process's attempt."""
    services.catalog.process_id = process
    services.faults.plan = always(catalog_upsert=fault, catalog_clear_attempts=fault)
    assert services.process(good(0)).first_unfinished == sequence(0)
    services.faults.plan = lambda _: None


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.HANGS])
def test_outages_in_three_processes_that_survive_condemn_no_record(fault: Fault) -> None:
    services = old_world()
    for number in range(3):
        outage_while_it_is_tried(services, f"process {number}", fault)
    assert len(services.catalog.marks[good(0).shard, sequence(0)]) == 3
    services.catalog.process_id = "a fourth process"
    check_done(services.process(good(0)))
    assert services.quarantine.rejections == []
    assert services.catalog.marks == {}


def test_a_death_beside_outages_still_counts() -> None:
    services = old_world(marks=2)
    outage_while_it_is_tried(services, "one that survives", Fault.FAILS)
    services.catalog.marks[good(0).shard, sequence(0)].add("a third that died")
    services.catalog.process_id = "the next"
    check_done(services.process(good(0)))
    assert services.quarantine.reasons == ["killed_process"]


def test_a_process_takes_its_marks_back_at_its_next_success() -> None:
    """Check that it does even if it could not note its survival."""
    services = old_world()
    services.faults.plan = always(
        catalog_upsert=Fault.FAILS, catalog_clear_attempts=Fault.FAILS, quarantine_note_survival=Fault.FAILS
    )
    services.process(good(0))
    services.faults.plan = lambda _: None
    assert services.catalog.marks[good(0).shard, sequence(0)] == {"this process"}
    check_done(services.process(good(1), good(2)))
    assert services.catalog.marks[good(0).shard, sequence(0)] == set()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_marks_that_cannot_be_taken_back_hold_up_no_batch(fault: Fault | Exception) -> None:
    services = old_world()
    outage_while_it_is_tried(services, "this process", Fault.FAILS)
    services.faults.plan = always(catalog_take_back_marks=fault)
    report = services.process(good(1), good(2))
    check_done(report)
    assert len(report.warnings) == 1


def test_survivors_that_cannot_be_listed_condemn_no_record() -> None:
    services = old_world(always(quarantine_survivors=Fault.FAILS), marks=3)
    assert services.process(good(0)).first_unfinished == sequence(0)
    assert services.quarantine.rejections == []


def test_without_time_a_record_is_neither_marked_nor_noted() -> None:
    services = old_world()
    assert services.process(good(0), budget_seconds=-1.0).first_unfinished == sequence(0)
    assert services.faults.begun == []
