"""The road of a batch, and what is answered when parts of it fail."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.batch import (
    DRAIN_AT_ONCE,
    LONE_RECORD_AGE_MS,
    SLICE_RECORDS,
    Ports,
    drain_missed_invalidations,
    process_batch,
)
from processor.errors import CacheUnavailable, DependencyFailed
from processor.fold import Change
from processor.records import Record, expand
from processor.report import BatchReport
from processor.updates import Rejection, Update, decode
from tests.events import ARRIVAL_MS, aggregate, record, sequence
from tests.fakes import (
    BUDGET_SECONDS,
    Fault,
    Plan,
    Row,
    World,
    always,
    is_newer,
)
from tests.simulated_time import simulate


def good(position: int, product_id: str = "", **fields: object) -> Record:
    """A valid record: product "p<position>" has so many pieces."""
    return record({"product_id": product_id or f"p{position}", "inventory": position, **fields}, position)


def bad(position: int) -> Record:
    return record(b"no JSON", position)


def stocks(world: World) -> dict[str, object]:
    return {product_id: row.values.get("inventory", 0) for product_id, row in world.catalog.rows.items()}


def check_done(report: BatchReport) -> None:
    assert (report.first_unfinished, report.failures, report.unforeseen) == (None, [], [])


# --- the whole road


def test_a_batch_is_archived_quarantined_upserted_and_invalidated() -> None:
    world = World()
    batch = [
        good(3, "b", price="1.50"),
        record({"product_id": "x", "inventory": -1, "supplier": "acme"}, 4),
        good(5, "a"),
        good(6, "b"),
        bad(7),
    ]
    report = world.process(*batch)
    check_done(report)
    assert world.archive.puts == [[(one, place in (0, 2, 3)) for place, one in enumerate(batch)]]
    assert [[one.record for one in put] for put in world.quarantine.puts] == [[batch[1], batch[4]]]
    assert stocks(world) == {"a": 5, "b": 6}
    assert world.catalog.rows["b"].values["price"] == 150
    assert world.cache.invalidated == [["a", "b"]]
    assert world.faults.begun.index("catalog.upsert") < world.faults.begun.index("cache.invalidate")
    assert (report.kinesis_records, report.records, report.accepted) == (5, 5, 3)
    assert report.rejected == {"invalid_inventory": 1, "invalid_json": 1}
    assert report.rejected_by_supplier == {"acme": 1, "unknown": 1}
    assert (report.products_changed, report.stale_updates) == (2, 0)
    assert set(report.stage_ms) == {"decode", "archive", "quarantine", "catalog", "invalidate"}


def test_an_empty_batch_touches_nothing() -> None:
    world = World()
    check_done(world.process())
    assert world.faults.begun == []


@pytest.mark.parametrize(
    ("batch", "begun"),
    [
        ([good(1)], {"archive.put", "catalog.upsert", "cache.invalidate"}),
        ([bad(1)], {"archive.put", "quarantine.put"}),
    ],
)
def test_stages_with_nothing_to_do_are_left_out(batch: list[Record], begun: set[str]) -> None:
    world = World()
    check_done(world.process(*batch))
    assert set(world.faults.begun) == begun


def test_a_redelivered_batch_changes_nothing_and_invalidates_again() -> None:
    world = World()
    world.process(good(1), good(2))
    rows = dict(world.catalog.rows)
    report = world.process(good(1), good(2))
    check_done(report)
    assert world.catalog.rows == rows
    assert (report.products_changed, report.stale_updates) == (0, 2)
    assert world.cache.invalidated == [["p1", "p2"]] * 2


def test_aggregated_records_are_stored_one_by_one_and_answered_for_by_their_kinesis_record() -> None:
    world = World(always(quarantine_put=Fault.FAILS))
    user_records = [("a", good(0, "a").data), ("b", b"no JSON"), ("c", good(0, "c").data)]
    report = world.process(good(1), record(aggregate(user_records), 2), good(3))
    assert report.first_unfinished == sequence(2)
    assert (report.kinesis_records, report.records, report.accepted) == (3, 5, 4)
    identities = [(one.sequence_number, one.sub_sequence) for one, _ in world.archive.puts[0]]
    assert identities == [(sequence(n), sub) for n, sub in ((1, 0), (2, 0), (2, 1), (2, 2), (3, 0))]
    assert set(stocks(world)) == {"p1", "a", "c", "p3"}


def test_records_of_several_shards_are_answered_for_in_the_order_they_came() -> None:
    world = World(always(quarantine_put=Fault.FAILS))
    batch = [
        good(9)._replace(shard="shardId-b"),
        bad(8)._replace(shard="shardId-b"),
        bad(1)._replace(shard="shardId-a"),
    ]
    assert world.process(*batch).first_unfinished == sequence(8)
    assert world.archive.records == set(batch)


# --- what fails, and what is answered

GOOD_FIRST: Final = [good(0), bad(1), good(2)]
BAD_FIRST: Final = [bad(0), good(1), bad(2)]
FAULTS: Final = [*Fault, RuntimeError("unforeseen")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize(
    ("failing", "good_first", "bad_first"),
    [
        (["archive_put"], 0, 0),
        (["quarantine_put"], 1, 0),
        (["catalog_upsert"], 0, 1),
        (["archive_put", "quarantine_put"], 0, 0),
        (["quarantine_put", "catalog_upsert"], 0, 0),
        (["archive_put", "quarantine_put", "catalog_upsert", "cache_invalidate"], 0, 0),
    ],
)
def test_the_answer_is_the_first_record_a_failed_stage_had(
    failing: list[str], good_first: int, bad_first: int, fault: Fault | Exception
) -> None:
    for batch, expected in ((GOOD_FIRST, good_first), (BAD_FIRST, bad_first)):
        world = World(always(**dict.fromkeys(failing, fault)))
        report = world.process(*batch)
        assert report.first_unfinished == sequence(expected)
        filed, other = report.failures, report.unforeseen
        if isinstance(fault, RuntimeError):
            filed, other = other, filed
            assert set(filed) == {fault}
        else:
            assert {type(error) for error in filed} == {DependencyFailed}
        assert len(filed) == len([name for name in failing if name != "cache_invalidate"])
        assert other == []
        if "archive_put" not in failing:
            assert world.archive.records == set(batch)
        if "quarantine_put" not in failing:
            expected_bad = [one for one in batch if one.data == b"no JSON"]
            assert [one.record for one in world.quarantine.rejections] == expected_bad
        if "catalog_upsert" not in failing:
            assert len(world.catalog.rows) == sum(one.data != b"no JSON" for one in batch)


def test_a_cache_that_is_down_costs_nothing_but_a_note() -> None:
    world = World(always(cache_invalidate=Fault.FAILS))
    report = world.process(*GOOD_FIRST)
    check_done(report)
    assert [type(error) for error in report.warnings] == [CacheUnavailable]
    assert report.invalidations_missed == 2
    assert sorted(world.catalog.missed.values()) == ["p0", "p2"]
    assert stocks(world) == {"p0": 0, "p2": 2}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_missed_invalidation_that_is_not_recorded_leaves_the_batch_unfinished(
    fault: Fault | Exception,
) -> None:
    world = World(always(cache_invalidate=Fault.FAILS, catalog_add_missed_invalidations=fault))
    report = world.process(*BAD_FIRST)
    assert report.first_unfinished == sequence(1)
    assert report.failures or report.unforeseen
    assert world.archive.records == set(BAD_FIRST)
    assert len(world.quarantine.rejections) == 2


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.HANGS_AFTERWARDS, RuntimeError("unforeseen")], ids=str)
def test_an_invalidation_neither_done_nor_refused_leaves_the_batch_unfinished(
    fault: Fault | Exception,
) -> None:
    world = World(always(cache_invalidate=fault))
    assert world.process(*BAD_FIRST).first_unfinished == sequence(1)
    assert stocks(world) == {"p1": 1}


# --- the deadline


@pytest.mark.parametrize(
    "hanging", ["archive_put", "quarantine_put", "catalog_upsert", "cache_invalidate", "catalog_mark_attempt"]
)
@pytest.mark.parametrize("budget_seconds", [0.02, 1.0, 48.0])
def test_whatever_hangs_the_answer_comes_in_time(hanging: str, budget_seconds: float) -> None:
    world = World(always(**{hanging: Fault.HANGS}))
    world.clock.now = ARRIVAL_MS + LONE_RECORD_AGE_MS + 1
    batch = [good(0)] if hanging == "catalog_mark_attempt" else GOOD_FIRST

    async def scenario() -> float:
        report = await world.invoke(*batch, budget_seconds=budget_seconds)
        assert report.first_unfinished == sequence(1 if hanging == "quarantine_put" else 0)
        return world.clock.monotonic()

    assert simulate(scenario()) == pytest.approx(budget_seconds, abs=0.01)


def test_a_stage_that_does_not_let_go_is_left_behind() -> None:
    class Stubborn:
        async def put(self, records: Sequence[Record], accepted: Sequence[bool]) -> None:
            try:
                await asyncio.sleep(10_000)
            except asyncio.CancelledError:
                await asyncio.sleep(10_000)

    world = World()

    async def scenario() -> float:
        ports = Ports(
            archive=Stubborn(),
            quarantine=world.quarantine,
            catalog=world.catalog,
            cache=world.cache,
            clock=world.clock,
        )
        report = await process_batch([bad(0), good(1)], ports, deadline=5.0)
        assert report.first_unfinished == sequence(0)
        return world.clock.monotonic()

    assert 5.0 <= simulate(scenario()) <= 5.5
    assert stocks(world) == {"p1": 1}
    assert world.quarantine.reasons == ["invalid_json"]


@pytest.mark.parametrize("budget_seconds", [0.0, -1.0])
def test_without_time_left_nothing_is_acknowledged_that_is_not_done(budget_seconds: float) -> None:
    world = World(always(archive_put=Fault.HANGS))
    report = world.process(*BAD_FIRST, budget_seconds=budget_seconds)
    assert report.first_unfinished == sequence(0)


# --- bad records


def test_ten_thousand_bad_records_are_quarantined_at_once_and_block_nothing() -> None:
    world = World()
    batch = [bad(position) for position in range(10_000)]
    batch[5_000] = good(5_000)
    check_done(world.process(*batch))
    assert [len(put) for put in world.quarantine.puts] == [9_999]
    assert [len(put) for put in world.archive.puts] == [10_000]
    assert stocks(world) == {"p5000": 5_000}


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"[" * 65_536,
        b"\xff" * 65_536,
        b"0" * 10**6,
        b"\xf3\x89\x9a\xc2",
        b'{"product_id":"' + b'\\"' * 32_000,
        b'{"product_id":"p","price":1E+999999}',
        b'{"product_id":"p\\u0000","price":1}',
        b'{"product_id":"\\ud800","price":1}',
    ],
)
def test_one_bad_record_never_blocks(hostile: bytes) -> None:
    world = World()
    batch = [good(0), record(hostile, 1), good(2)]
    check_done(world.process(*batch))
    assert [one.record.data for one in world.quarantine.rejections] == [hostile]
    assert stocks(world) == {"p0": 0, "p2": 2}
    assert {one.data for one in world.archive.records} == {one.data for one in batch}


def test_an_error_nobody_foresaw_in_one_record_is_that_records_alone() -> None:
    world = World()
    from_the_far_future = good(1)._replace(arrival_ms=10**17)  # no datetime holds it
    report = world.process(good(0), from_the_far_future, good(2))
    check_done(report)
    [rejection] = world.quarantine.rejections
    assert rejection.record == from_the_far_future
    assert rejection.reason == "internal_error"
    assert rejection.message.startswith("OverflowError: ")
    assert [type(error) for error in report.warnings] == [OverflowError]
    assert stocks(world) == {"p0": 0, "p2": 2}


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
    world = World()
    world.catalog.refuses = lambda change: int(change.product_id[1:]) in culprits
    batch = [good(position) for position in range(count)]
    report = world.process(*batch)
    check_done(report)
    assert {one.record for one in world.quarantine.rejections} == {batch[place] for place in culprits}
    assert len(world.quarantine.rejections) == len(culprits)
    assert set(world.quarantine.reasons) == {"catalog_refused"}
    assert stocks(world) == {f"p{place}": place for place in range(count) if place not in culprits}
    assert report.accepted == count - len(culprits)
    assert report.rejected == {"catalog_refused": len(culprits)}
    assert world.archive.records == set(batch)
    applied = {f"p{place}" for place in range(count) if place not in culprits}
    assert applied <= {product_id for put in world.cache.invalidated for product_id in put}


def test_of_one_product_only_the_refused_update_is_quarantined() -> None:
    world = World()
    world.catalog.refuses = lambda change: change.value("inventory") == 2
    report = world.process(good(1, "p", price=1), good(2, "p", supplier="acme"), good(0, "p", price=3))
    check_done(report)
    assert [one.record for one in world.quarantine.rejections] == [good(2, "p", supplier="acme")]
    assert report.rejected_by_supplier == {"acme": 1}
    # Of the other two, position 1 has the higher sequence number.
    assert world.catalog.rows["p"].values == {"inventory": 1, "price": 100}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_refused_update_that_is_not_quarantined_is_not_acknowledged(fault: Fault | Exception) -> None:
    world = World(always(quarantine_put=fault))
    world.catalog.refuses = lambda change: change.product_id == "p2"
    assert world.process(good(1), good(2), good(3)).first_unfinished == sequence(1)


# --- missed invalidations


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


def test_only_the_misses_that_were_read_are_forgotten() -> None:
    world = World()
    world.catalog.miss("p")

    def another_container_misses() -> None:
        world.catalog.miss("p")

    world.cache.deleting = another_container_misses
    assert simulate(drain_missed_invalidations(world.catalog, world.cache)) == 1
    assert world.catalog.missed == {2: "p"}


def test_a_drain_makes_up_for_the_oldest_misses_and_for_so_many_at_once() -> None:
    world = World()
    for number in range(2 * DRAIN_AT_ONCE + 1):
        world.catalog.miss(f"p{number % 7}")
    for drained, left in ((DRAIN_AT_ONCE, DRAIN_AT_ONCE + 1), (DRAIN_AT_ONCE, 1), (1, 0), (0, 0)):
        assert simulate(drain_missed_invalidations(world.catalog, world.cache)) == drained
        assert len(world.catalog.missed) == left
        assert min(world.catalog.missed, default=0) in (0, 2 * DRAIN_AT_ONCE + 2 - left)
    for products in world.cache.invalidated:
        assert products == sorted(set(products))


def test_a_drain_with_nothing_to_do_does_not_touch_the_cache() -> None:
    world = World()
    assert simulate(drain_missed_invalidations(world.catalog, world.cache)) == 0
    assert world.faults.begun == ["catalog.missed_invalidations"]


@pytest.mark.parametrize(
    ("operation", "fault", "raised"),
    [
        ("catalog_missed_invalidations", Fault.FAILS, DependencyFailed),
        ("cache_invalidate", Fault.FAILS, CacheUnavailable),
        ("cache_invalidate", Fault.FAILS_AFTERWARDS, CacheUnavailable),
        ("catalog_forget_missed_invalidations", Fault.FAILS, DependencyFailed),
    ],
)
def test_a_drain_that_fails_forgets_nothing(operation: str, fault: Fault, raised: type[Exception]) -> None:
    world = World(always(**{operation: fault}))
    world.catalog.miss("p")
    with pytest.raises(raised):
        simulate(drain_missed_invalidations(world.catalog, world.cache))
    assert world.catalog.missed == {1: "p"}


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
    assert world.catalog.missed == {1: "other"}


# --- records that kill their process

OLD: Final = ARRIVAL_MS + LONE_RECORD_AGE_MS + 1


def old_world(plan: Plan = lambda _: None, *, marks: int = 0) -> World:
    """Ten minutes and a millisecond after the records of this module arrived; record 0 left marks."""
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
    """An aggregate's parts may be archived under their sub-sequences already; the whole is another."""
    world = old_world(marks=3)
    report = world.process(lone)
    check_done(report)
    [rejection] = world.quarantine.rejections
    assert (rejection.record, rejection.reason) == (kept, "killed_process")
    assert world.archive.puts == [[(kept, False)]]
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
        assert report.unforeseen == [fault]
    else:
        assert len(report.failures) == 1


# --- whatever happens


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """The records of a shard: valid ones of three products, one of which the table refuses, and bad ones."""
    fields = st.fixed_dictionaries(
        {"product_id": st.sampled_from(["p", "q", "refused"])},
        optional={
            "inventory": st.integers(0, 9),
            "price": st.integers(0, 9),
            "discontinued": st.booleans(),
            "event_time": st.sampled_from(["2026-01-31T08:30:00Z", "2026-01-31T08:29:00Z"]),
        },
    )
    contents = draw(st.lists(fields | st.just(b"no JSON"), min_size=1, max_size=6))
    records = [record(content, position) for position, content in enumerate(contents)]
    if draw(st.booleans()):
        inner = [("k", record(content).data) for content in draw(st.lists(fields, min_size=1, max_size=3))]
        records.append(record(aggregate(inner), len(records)))
    return records


TROUBLES: Final = st.lists(
    st.sampled_from([None, None, None, *Fault, RuntimeError("unforeseen")]), max_size=25
)


def check_acknowledged(world: World, acknowledged: Sequence[Record]) -> None:
    """Invariant I5: archived, and in its row with nothing stale cached or in quarantine."""
    for one in (user_record for received in acknowledged for user_record in expand(received)):
        assert one in world.archive.records
        verdict = decode(one)
        if isinstance(verdict, Rejection) or verdict.product_id == "refused":
            assert one in {rejection.record for rejection in world.quarantine.rejections}
            continue
        versions = world.catalog.rows[verdict.product_id].versions
        assert not any(is_newer(verdict.version, versions.get(register)) for register in verdict.values)


def check_cached(world: World, products: set[str]) -> None:
    """What is cached of these products is their row, or will be deleted."""
    for product_id in products - set(world.catalog.missed.values()):
        cached = world.cache.values.get(product_id)
        assert cached is None or cached == world.catalog.rows.get(product_id, "older")


def expected_rows(history: Sequence[Record]) -> dict[str, Row]:
    """One update after the other, without batches or folding."""
    world = World()
    for received in history:
        for one in expand(received):
            update = decode(one)
            if isinstance(update, Update) and update.product_id != "refused":
                world.catalog.apply(Change(update.product_id, dict.fromkeys(update.values, update)))
    return world.catalog.rows


@settings(max_examples=200)
@given(
    history=histories(),
    troubles=TROUBLES,
    sizes=st.lists(st.integers(1, 4), max_size=20),
    overlap=st.integers(0, 2),
)
def test_whatever_fails_and_comes_again_everything_ends_where_it_belongs(
    history: list[Record], troubles: list[Fault | Exception | None], sizes: list[int], overlap: int
) -> None:
    """Deliver a shard as an event source mapping does, while anything fails at any time."""
    remaining = iter(troubles)
    world = World(lambda _: next(remaining, None))
    world.catalog.refuses = lambda change: change.product_id == "refused"
    world.clock.now = OLD
    world.cache.values.update(p="older", q="older")
    batch_sizes = iter(sizes)

    async def deliver() -> None:
        done = 0
        for _ in range(200):
            if done == len(history):
                return
            for product_id, row in world.catalog.rows.items():
                world.cache.values.setdefault(product_id, row)  # the shop reads every product
            start = max(0, done - overlap)
            batch = history[start : done + next(batch_sizes, 3)]
            try:
                report = await world.invoke(*batch)
            except RuntimeError:
                continue
            if report.unforeseen:
                continue
            numbers = [one.sequence_number for one in batch]
            unfinished = numbers.index(report.first_unfinished) if report.first_unfinished else len(batch)
            check_acknowledged(world, batch[:unfinished])
            if report.first_unfinished is None:
                verdicts = [decode(one) for received in batch for one in expand(received)]
                check_cached(world, {one.product_id for one in verdicts if isinstance(one, Update)})
            done = max(done, start + unfinished)
        raise AssertionError("it never ends")

    async def scenario() -> None:
        await deliver()
        world.faults.plan = lambda _: None
        await drain_missed_invalidations(world.catalog, world.cache)

    simulate(scenario())
    check_acknowledged(world, history)
    assert world.catalog.rows == expected_rows(history)
    check_cached(world, {"p", "q", "refused"})
    assert world.catalog.missed == {}
    assert set(world.quarantine.reasons) <= {
        "invalid_json",
        "nothing_to_update",
        "catalog_refused",
        "killed_process",
    }


LARGE = [good(position) for position in range(SLICE_RECORDS + 1)]


def test_a_batch_too_large_for_memory_goes_in_slices() -> None:
    world = World()
    report = world.process(*LARGE)
    check_done(report)
    assert [len(put) for put in world.archive.puts] == [SLICE_RECORDS, 1]
    assert (report.records, report.accepted, report.products_changed) == (len(LARGE),) * 3


def test_what_a_slice_leaves_unfinished_is_answered_and_what_was_before_is_done() -> None:
    puts = itertools.count(1)
    world = World(lambda operation: Fault.FAILS if operation == "archive.put" and next(puts) == 2 else None)
    report = world.process(*LARGE)
    assert report.first_unfinished == sequence(SLICE_RECORDS)
    assert len(world.archive.records) == SLICE_RECORDS


def test_a_slice_is_not_begun_after_the_deadline() -> None:
    world = World()
    world.cache.deleting = lambda: world.clock.compute(BUDGET_SECONDS)
    report = world.process(*LARGE)
    assert report.first_unfinished == sequence(SLICE_RECORDS)
    assert [len(put) for put in world.archive.puts] == [SLICE_RECORDS]


class _Starved(bytes):
    """Bytes that cannot be decoded for want of memory."""

    def decode(self, *_: object, **__: object) -> str:
        raise MemoryError


def test_a_shortage_of_memory_is_no_bad_record() -> None:
    """The invocation fails, so that Lambda halves the batch; nothing is quarantined."""
    world = World()
    starved = good(1)
    starved = starved._replace(data=_Starved(starved.data))
    with pytest.raises(MemoryError):
        world.process(good(0), starved)
    assert world.quarantine.rejections == []
