"""The catalog's stage: what the table refuses, and what the database is too slow for."""

import itertools
from dataclasses import replace

import pytest

from processor.errors import DependencyError, StatementTimeoutError
from processor.retry_state import RefusedRecords, RetryState
from tests.support.batches import FAULTS, check_done, good, stocks
from tests.support.events import aggregate, record, sequence
from tests.support.fakes import BUDGET_SECONDS, FakeServices, value_in
from tests.support.faults import Fault, always

# --- what the table refuses


@pytest.mark.parametrize(
    ("count", "culprits"),
    [
        (1, {0}),
        (2, {0}),
        (2, {0, 1}),
        (3, {1}),
        (7, {6}),
        (8, {0, 7}),
        (100, {0, 1, 50, 99}),
        (9, set(range(9))),
    ],
)
def test_what_the_table_refuses_is_isolated_and_quarantined(count: int, culprits: set[int]) -> None:
    services = FakeServices()
    services.catalog.refuses = lambda change: int(change.product_id[1:]) in culprits
    batch = [good(position) for position in range(count)]
    report = services.process(*batch)
    check_done(report)
    assert {one.record for one in services.quarantine.rejections} == {batch[place] for place in culprits}
    assert len(services.quarantine.rejections) == len(culprits)
    assert set(services.quarantine.reasons) == {"catalog_refused"}
    assert stocks(services) == {f"p{place}": place for place in range(count) if place not in culprits}
    assert report.accepted == count - len(culprits)
    assert report.rejected == {"catalog_refused": len(culprits)}
    assert services.archive.records == set(batch)
    applied = {f"p{place}" for place in range(count) if place not in culprits}
    assert applied <= {product_id for put in services.cache.invalidated for product_id in put}


def test_of_one_products_updates_only_the_refused_one_is_quarantined() -> None:
    services = FakeServices()
    services.catalog.refuses = lambda change: value_in(change, "inventory") == 2
    report = services.process(good(1, "p", price=1), good(2, "p", supplier="acme"), good(0, "p", price=3))
    check_done(report)
    assert [one.record for one in services.quarantine.rejections] == [good(2, "p", supplier="acme")]
    assert report.rejected_by_supplier == {"acme": 1}
    # Of the other two, position 1 has the higher sequence number.
    assert services.catalog.rows["p"].values == {"inventory": 1, "price": 100}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_refused_update_that_is_not_quarantined_is_not_acknowledged(fault: Fault | Exception) -> None:
    services = FakeServices(always(quarantine_put=fault))
    services.catalog.refuses = lambda change: change.product_id == "p2"
    assert services.process(good(1), good(2), good(3)).first_unfinished == sequence(1)


# --- a database that is slow


def test_a_batch_that_is_too_much_is_done_in_parts_and_acknowledged_in_order() -> None:
    services = FakeServices()
    services.catalog.row_seconds = 0.05
    batch = [good(position) for position in range(100)]
    done = invocations = 0
    while done < 100:
        report = services.process(*batch[done:], budget_seconds=2.0)
        assert report.unexpected == []
        before, done = done, 100
        if report.first_unfinished is not None:
            done = [one.sequence_number for one in batch].index(report.first_unfinished)
            assert [type(error) for error in report.failures] == [DependencyError]
        assert done > before, "an attempt got no further"
        assert set(stocks(services)) >= {f"p{place}" for place in range(done)}
        assert {f"p{place}" for place in range(done)} <= set(itertools.chain(*services.cache.invalidated))
        invocations += 1
    assert invocations <= 15
    assert services.archive.records == set(batch)


def test_an_aggregate_that_is_too_much_gets_further_with_each_attempt() -> None:
    services = FakeServices()
    services.catalog.row_seconds = 0.05
    packed = record(aggregate([("k", good(place).data) for place in range(60)]), 0)
    rows = 0
    while services.process(packed, budget_seconds=2.0).first_unfinished is not None:
        before, rows = rows, len(services.catalog.rows)
        assert rows > before, "an attempt got no further"
    assert len(services.catalog.rows) == 60


def test_an_aggregate_with_many_updates_of_a_product_gets_further_with_each_attempt() -> None:
    """What is written is known per update: that a newer one of the same product is left does not matter."""
    services = FakeServices()
    services.catalog.row_seconds = 1.0
    days = [f"2026-01-{day:02d}T00:00:00Z" for day in range(1, 13)]
    updates = [good(place, f"p{place % 2}", event_time=day) for place, day in enumerate(days)]
    packed = record(aggregate([("k", update.data) for update in updates]), 0)
    attempts = 1
    while services.process(packed, budget_seconds=4.0).first_unfinished is not None:
        attempts += 1
        assert attempts <= len(updates), "an attempt got no further"
    assert stocks(services) == {"p0": 10, "p1": 11}


def test_what_was_written_before_is_not_written_again() -> None:
    services = FakeServices()
    services.process(*(good(place) for place in range(99)))
    services.catalog.row_seconds = 0.5
    check_done(services.process(*(good(place) for place in range(100)), budget_seconds=4.0))
    assert services.faults.begun.count("catalog.upsert") == 3


@pytest.mark.parametrize("budget_seconds", [0.5, 2.0, 48.0])
@pytest.mark.parametrize("locked", [0, 1, 50, 99])
def test_records_before_a_locked_row_are_acknowledged(locked: int, budget_seconds: float) -> None:
    services = FakeServices()
    services.catalog.locked = {f"p{locked}"}
    report = services.process(*(good(place) for place in range(100)), budget_seconds=budget_seconds)
    assert report.first_unfinished == sequence(locked)
    assert set(stocks(services)) >= {f"p{place}" for place in range(locked)}
    invalidated = set(itertools.chain(*services.cache.invalidated))
    # All of the batch, once something is applied: half of a statement that failed may have been, too.
    assert invalidated == ({f"p{place}" for place in range(100)} if locked else set())


def test_a_database_that_is_down_is_tried_once() -> None:
    services = FakeServices(always(catalog_upsert=Fault.FAILS))
    assert services.process(*(good(place) for place in range(100))).first_unfinished == sequence(0)
    assert services.faults.begun.count("catalog.upsert") == 1


@pytest.mark.parametrize("operation", ["catalog_outdated", "cache_invalidate"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_parts_that_are_not_invalidated_are_not_acknowledged(
    operation: str, fault: Fault | Exception
) -> None:
    services = FakeServices(always(**{operation: fault, "catalog_add_pending_invalidations": Fault.FAILS}))
    services.catalog.locked = {"p9"}
    report = services.process(*(good(place) for place in range(10)))
    assert report.first_unfinished == sequence(0)


def test_refused_updates_of_the_parts_that_were_done_are_quarantined() -> None:
    services = FakeServices()
    services.catalog.locked = {"p50"}
    services.catalog.refuses = lambda change: change.product_id in ("p3", "p70")
    report = services.process(*(good(place) for place in range(100)))
    assert report.first_unfinished == sequence(50)
    assert [one.record for one in services.quarantine.rejections] == [good(3)]


def test_thousands_of_refusals_cost_one_statement_per_thousand() -> None:
    services = FakeServices()
    services.catalog.refuses = lambda _: True
    check_done(services.process(record(aggregate([("k", good(place).data) for place in range(4_000)]), 0)))
    assert len(services.quarantine.rejections) == 4_000
    assert [name for name in services.faults.begun if name.startswith("catalog.")] == [
        "catalog.upsert",
        *["catalog.upsert_one_by_one"] * 4,
    ]


def test_refusals_that_take_several_attempts_are_remembered_between_them() -> None:
    services = FakeServices()
    services.catalog.refuses = lambda change: int(change.product_id[1:]) % 2 == 0
    services.catalog.refusing_seconds = 0.001
    packed = record(aggregate([("k", good(place).data) for place in range(10_000)]), 0)
    attempts = 0
    while services.process(packed, budget_seconds=4.0).first_unfinished is not None:
        attempts += 1
        assert attempts < 20, "it never ends"
    assert attempts, "it was not too much for one attempt"
    assert len(services.quarantine.puts) == 1
    assert len(services.quarantine.rejections) == 5_000
    assert len(services.catalog.rows) == 5_000
    assert len(services.ports.retry_state.refused) == 0


def test_remembered_refusals_are_bounded() -> None:
    refused = RefusedRecords(most=10)
    for place in range(15):
        refused.add(good(place), f"refused {place}")
    assert len(refused) == 10
    assert refused.get(good(4)) is None
    assert refused.get(good(5)) == "refused 5"


@pytest.mark.parametrize("remembered", [0, 4])
def test_more_refusals_than_can_be_remembered_are_all_quarantined(remembered: int) -> None:
    """Check also those that were remembered at first and dropped while others were found."""
    services = FakeServices()
    services.ports = replace(services.ports, retry_state=RetryState(RefusedRecords(most=5)))
    services.catalog.refuses = lambda _: True
    for place in range(remembered):
        services.ports.retry_state.refused.add(good(place), "an earlier attempt found it refused")
    check_done(services.process(*(good(place) for place in range(20))))
    assert {one.record for one in services.quarantine.rejections} == {good(place) for place in range(20)}
    assert services.catalog.rows == {}


def test_what_was_done_in_parts_before_the_database_failed_is_acknowledged() -> None:
    upserts = itertools.count(1)
    services = FakeServices(
        lambda operation: Fault.FAILS if operation == "catalog.upsert" and next(upserts) == 4 else None
    )
    services.catalog.row_seconds = 0.5
    report = services.process(*(good(place) for place in range(100)))
    assert report.first_unfinished == sequence(5), "after parts of one and of four"
    assert set(stocks(services)) == {f"p{place}" for place in range(5)}


def test_after_a_batch_that_was_too_much_the_next_begins_small_and_the_one_after_does_not() -> None:
    services = FakeServices()
    services.catalog.row_seconds = 0.5
    assert services.process(*(good(place) for place in range(100))).first_unfinished
    services.catalog.row_seconds = 0.0
    services.faults.begun.clear()
    check_done(services.process(*(good(place) for place in range(100))))
    assert "catalog.outdated" in services.faults.begun
    services.faults.begun.clear()
    check_done(services.process(*(good(place) for place in range(100))))
    assert services.faults.begun.count("catalog.upsert") == 1
    assert "catalog.outdated" not in services.faults.begun


def test_after_a_batch_that_was_too_much_even_to_compare_the_next_begins_with_that() -> None:
    services = FakeServices(always(catalog_outdated=StatementTimeoutError("too much to compare")))
    services.catalog.row_seconds = BUDGET_SECONDS
    for _ in range(2):
        services.faults.begun.clear()
        assert services.process(good(1), good(2)).first_unfinished == sequence(1)
    assert "catalog.upsert" not in services.faults.begun
    assert "catalog.outdated" in services.faults.begun


def test_what_a_slow_database_cannot_even_compare_is_written_and_refused() -> None:
    services = FakeServices()
    services.ports.retry_state.database_is_slow = True
    services.catalog.compares_nothing = True
    services.catalog.refuses = lambda change: change.product_id == "p1"
    check_done(services.process(good(0), good(1), good(2)))
    assert stocks(services) == {"p0": 0, "p2": 2}
    assert services.quarantine.reasons == ["catalog_refused"]


@pytest.mark.parametrize("budget_seconds", [0.3, 1.0, 2.0, 48.0])
def test_a_cache_that_hangs_leaves_time_to_record_pending_invalidations(budget_seconds: float) -> None:
    services = FakeServices()
    services.cache.hangs = True
    check_done(services.process(good(0), good(1), budget_seconds=budget_seconds))
    assert set(services.catalog.pending) == {"p0", "p1"}
