"""How a batch is processed, and the response when parts of it fail."""

import asyncio
import itertools
import sys
from collections.abc import Sequence

import pytest

from processor.batch import process_batch
from processor.errors import CacheUnavailableError, DependencyError
from processor.poison_records import SUSPECT_AGE_MS
from processor.ports import Ports
from processor.records import Record, expand
from processor.s3_objects import archive_line
from processor.slices import SLICE_BYTES, SLICE_RECORDS
from tests.support.batches import FAULTS, bad, check_done, good, stocks
from tests.support.events import ARRIVAL_MS, aggregate, record, sequence
from tests.support.fakes import BUDGET_SECONDS, FakeArchive, FakeServices
from tests.support.faults import Fault, Faults, always
from tests.support.simulated_time import simulate


def test_a_batch_is_archived_quarantined_upserted_and_invalidated() -> None:
    services = FakeServices()
    batch = [
        good(3, "b", price="1.50"),
        record({"product_id": "x", "inventory": -1, "supplier": "acme"}, 4),
        good(5, "a"),
        good(6, "b"),
        bad(7),
    ]
    report = services.process(*batch)
    check_done(report)
    outcomes = ["accepted", "invalid_inventory", "accepted", "accepted", "invalid_json"]
    assert services.archive.puts == [list(zip(batch, outcomes, strict=True))]
    assert [[one.record for one in put] for put in services.quarantine.puts] == [[batch[1], batch[4]]]
    assert stocks(services) == {"a": 5, "b": 6}
    assert services.catalog.rows["b"].values["price"] == 150
    assert services.cache.invalidated == [["a", "b"]]
    assert services.faults.begun.index("catalog.upsert") < services.faults.begun.index("cache.invalidate")
    assert (report.kinesis_records, report.records, report.accepted) == (5, 5, 3)
    assert report.rejected == {"invalid_inventory": 1, "invalid_json": 1}
    assert report.rejected_by_supplier == {"acme": 1, "unknown": 1}
    assert (report.products_changed, report.stale_updates) == (2, 0)
    assert set(report.stage_ms) == {"decode", "archive", "quarantine", "catalog", "invalidate"}


def test_an_empty_batch_touches_nothing() -> None:
    services = FakeServices()
    check_done(services.process())
    assert services.faults.begun == []


@pytest.mark.parametrize(
    ("count", "first"), [(1, "archive.put"), (2_499, "archive.put"), (2_500, "catalog.upsert")]
)
def test_what_is_answered_last_begins_first(count: int, first: str) -> None:
    services = FakeServices()
    check_done(services.process(*(good(position) for position in range(count))))
    assert services.faults.begun[0] == first


@pytest.mark.parametrize(
    ("batch", "begun"),
    [
        ([good(1)], {"archive.put", "catalog.upsert", "cache.invalidate"}),
        ([bad(1)], {"archive.put", "quarantine.put"}),
    ],
)
def test_stages_with_nothing_to_do_are_left_out(batch: list[Record], begun: set[str]) -> None:
    services = FakeServices()
    check_done(services.process(*batch))
    assert set(services.faults.begun) == begun


def test_a_redelivered_batch_changes_nothing_and_invalidates_again() -> None:
    services = FakeServices()
    services.process(good(1), good(2))
    rows = dict(services.catalog.rows)
    report = services.process(good(1), good(2))
    check_done(report)
    assert services.catalog.rows == rows
    assert (report.products_changed, report.stale_updates) == (0, 2)
    assert services.cache.invalidated == [["p1", "p2"]] * 2


def test_records_of_an_aggregate_are_stored_one_by_one_and_reported_by_their_kinesis_record() -> None:
    services = FakeServices(always(quarantine_put=Fault.FAILS))
    user_records = [("a", good(0, "a").data), ("b", b"no JSON"), ("c", good(0, "c").data)]
    report = services.process(good(1), record(aggregate(user_records), 2), good(3))
    assert report.first_unfinished == sequence(2)
    assert (report.kinesis_records, report.records, report.accepted) == (3, 5, 4)
    identities = [(one.sequence_number, one.sub_sequence) for one, _ in services.archive.puts[0]]
    assert identities == [(sequence(n), sub) for n, sub in ((1, 0), (2, 0), (2, 1), (2, 2), (3, 0))]
    assert set(stocks(services)) == {"p1", "a", "c", "p3"}


def test_records_of_several_shards_are_reported_in_the_order_of_the_batch() -> None:
    services = FakeServices(always(quarantine_put=Fault.FAILS))
    batch = [
        good(9)._replace(shard="shardId-b"),
        bad(8)._replace(shard="shardId-b"),
        bad(1)._replace(shard="shardId-a"),
    ]
    assert services.process(*batch).first_unfinished == sequence(8)
    assert services.archive.records == set(batch)


# --- failures and the response

GOOD_FIRST = [good(0), bad(1), good(2)]
BAD_FIRST = [bad(0), good(1), bad(2)]


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
def test_the_response_is_the_first_record_of_a_failed_stage(
    failing: list[str], good_first: int, bad_first: int, fault: Fault | Exception
) -> None:
    for batch, expected in ((GOOD_FIRST, good_first), (BAD_FIRST, bad_first)):
        services = FakeServices(always(**dict.fromkeys(failing, fault)))
        report = services.process(*batch)
        assert report.first_unfinished == sequence(expected)
        filed, other = report.failures, report.unexpected
        if isinstance(fault, RuntimeError):
            filed, other = other, filed
            assert set(filed) == {fault}
        else:
            assert {type(error) for error in filed} == {DependencyError}
        assert len(filed) == len([name for name in failing if name != "cache_invalidate"])
        assert other == []
        if "archive_put" not in failing:
            assert services.archive.records == set(batch)
        if "quarantine_put" not in failing:
            expected_bad = [one for one in batch if one.data == b"no JSON"]
            assert [one.record for one in services.quarantine.rejections] == expected_bad
        if "catalog_upsert" not in failing:
            assert len(services.catalog.rows) == sum(one.data != b"no JSON" for one in batch)


def test_a_cache_that_is_down_only_adds_pending_invalidations() -> None:
    services = FakeServices(always(cache_invalidate=Fault.FAILS))
    report = services.process(*GOOD_FIRST)
    check_done(report)
    assert [type(error) for error in report.warnings] == [CacheUnavailableError]
    assert report.pending_invalidations_added == 2
    assert sorted(services.catalog.pending) == ["p0", "p2"]
    assert stocks(services) == {"p0": 0, "p2": 2}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_pending_invalidation_that_is_not_recorded_leaves_the_batch_unfinished(
    fault: Fault | Exception,
) -> None:
    services = FakeServices(always(cache_invalidate=Fault.FAILS, catalog_add_pending_invalidations=fault))
    report = services.process(*BAD_FIRST)
    assert report.first_unfinished == sequence(1)
    assert report.failures or report.unexpected
    assert services.archive.records == set(BAD_FIRST)
    assert len(services.quarantine.rejections) == 2


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.HANGS_AFTERWARDS, RuntimeError("unexpected")], ids=str)
def test_an_invalidation_neither_done_nor_refused_leaves_the_batch_unfinished(
    fault: Fault | Exception,
) -> None:
    services = FakeServices(always(cache_invalidate=fault))
    assert services.process(*BAD_FIRST).first_unfinished == sequence(1)
    assert stocks(services) == {"p1": 1}


# --- the deadline


@pytest.mark.parametrize(
    "hanging", ["archive_put", "quarantine_put", "catalog_upsert", "cache_invalidate", "catalog_mark_attempt"]
)
@pytest.mark.parametrize("budget_seconds", [0.02, 1.0, 48.0])
def test_whatever_hangs_the_response_comes_in_time(hanging: str, budget_seconds: float) -> None:
    services = FakeServices(always(**{hanging: Fault.HANGS}))
    services.clock.now = ARRIVAL_MS + SUSPECT_AGE_MS + 1
    batch = [good(0)] if hanging == "catalog_mark_attempt" else GOOD_FIRST

    async def scenario() -> float:
        report = await services.invoke(*batch, budget_seconds=budget_seconds)
        assert report.first_unfinished == sequence(1 if hanging == "quarantine_put" else 0)
        return services.clock.monotonic()

    assert simulate(scenario()) == pytest.approx(budget_seconds, abs=0.01)


def test_a_stage_that_ignores_cancellation_is_left_behind() -> None:
    class Stubborn(FakeArchive):
        async def put(self, records: Sequence[Record], outcomes: Sequence[str]) -> None:
            try:
                await asyncio.sleep(10_000)
            except asyncio.CancelledError:
                await asyncio.sleep(10_000)

    services = FakeServices()

    async def scenario() -> float:
        ports = Ports(
            archive=Stubborn(Faults()),
            quarantine=services.quarantine,
            catalog=services.catalog,
            cache=services.cache,
            clock=services.clock,
        )
        report = await process_batch([bad(0), good(1)], ports, deadline=5.0)
        assert report.first_unfinished == sequence(0)
        return services.clock.monotonic()

    assert 5.0 <= simulate(scenario()) <= 5.5
    assert stocks(services) == {"p1": 1}
    assert services.quarantine.reasons == ["invalid_json"]


@pytest.mark.parametrize("budget_seconds", [0.0, -1.0])
def test_without_time_left_nothing_unfinished_is_acknowledged(budget_seconds: float) -> None:
    services = FakeServices(always(archive_put=Fault.HANGS))
    report = services.process(*BAD_FIRST, budget_seconds=budget_seconds)
    assert report.first_unfinished == sequence(0)


# --- bad records


def test_ten_thousand_bad_records_are_quarantined_together_and_block_nothing() -> None:
    services = FakeServices()
    batch = [bad(position) for position in range(10_000)]
    batch[5_000] = good(5_000)
    check_done(services.process(*batch))
    assert [len(put) for put in services.quarantine.puts] == [9_999]
    assert [len(put) for put in services.archive.puts] == [10_000]
    assert stocks(services) == {"p5000": 5_000}


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
    services = FakeServices()
    batch = [good(0), record(hostile, 1), good(2)]
    check_done(services.process(*batch))
    assert [one.record.data for one in services.quarantine.rejections] == [hostile]
    assert stocks(services) == {"p0": 0, "p2": 2}
    assert {one.data for one in services.archive.records} == {one.data for one in batch}


def test_an_unexpected_error_in_one_record_rejects_that_record_only() -> None:
    services = FakeServices()
    from_the_far_future = good(1)._replace(arrival_ms=10**17)  # no datetime holds it
    report = services.process(good(0), from_the_far_future, good(2))
    check_done(report)
    [rejection] = services.quarantine.rejections
    assert rejection.record == from_the_far_future
    assert rejection.reason == "internal_error"
    assert rejection.message.startswith("OverflowError: ")
    assert [type(error) for error in report.warnings] == [OverflowError]
    assert stocks(services) == {"p0": 0, "p2": 2}


LARGE = [good(position) for position in range(SLICE_RECORDS + 1)]


def test_a_batch_too_large_for_memory_goes_in_slices() -> None:
    services = FakeServices()
    report = services.process(*LARGE)
    check_done(report)
    assert [len(put) for put in services.archive.puts] == [SLICE_RECORDS, 1]
    assert (report.records, report.accepted, report.products_changed) == (len(LARGE),) * 3


# A key of 256 characters that each take 12 bytes in JSON, in 5,600 lines of about 3.4 KB.
HOSTILE = record(aggregate(("\U0001f600".encode() * 256, b"") for _ in range(5_600)), 1)


def sizes(services: FakeServices) -> list[int]:
    return [len(put) for put in services.archive.puts]


def test_lines_too_large_for_memory_go_in_slices_even_of_one_aggregate() -> None:
    services = FakeServices()
    report = services.process(good(0), HOSTILE, good(2))
    check_done(report)
    assert report.records == sum(sizes(services)) == 5_602
    assert len(sizes(services)) == 2
    for put in services.archive.puts:
        lines = sum(len(archive_line(*archived)) for archived in put)
        assert lines < 1.1 * SLICE_BYTES
    again = FakeServices()
    again.process(good(0), HOSTILE, good(2))
    assert again.archive.puts == services.archive.puts


@pytest.mark.parametrize("failing", [0, 1])
def test_an_aggregate_is_unfinished_until_its_last_slice_is_done(failing: int) -> None:
    puts = itertools.count()
    services = FakeServices(
        lambda operation: Fault.FAILS if operation == "quarantine.put" and next(puts) == failing else None
    )
    assert services.process(good(0), HOSTILE, good(2)).first_unfinished == sequence(1)
    assert set(stocks(services)) == {"p0", "p2"} if failing else {"p0"}
    check_done(services.process(HOSTILE, good(2)))
    assert {one.record for one in services.quarantine.rejections} == set(expand(HOSTILE))


def test_an_unfinished_slice_is_reported_and_those_before_it_are_done() -> None:
    puts = itertools.count(1)
    services = FakeServices(
        lambda operation: Fault.FAILS if operation == "archive.put" and next(puts) == 2 else None
    )
    report = services.process(*LARGE)
    assert report.first_unfinished == sequence(SLICE_RECORDS)
    assert len(services.archive.records) == SLICE_RECORDS


def test_only_one_slice_waits_for_a_cache_that_is_down() -> None:
    services = FakeServices(always(cache_invalidate=Fault.FAILS))
    report = services.process(*LARGE)
    check_done(report)
    assert services.faults.begun.count("cache.invalidate") == 1
    assert (report.pending_invalidations_added, len(report.warnings)) == (len(LARGE), 1)
    assert len(services.catalog.pending) == len(LARGE)


def test_a_slice_is_not_begun_after_the_deadline() -> None:
    services = FakeServices()
    services.cache.deleting = lambda: services.clock.compute(BUDGET_SECONDS)
    report = services.process(*LARGE)
    assert report.first_unfinished == sequence(SLICE_RECORDS)
    assert [len(put) for put in services.archive.puts] == [SLICE_RECORDS]


class _Starved(bytes):
    """Bytes that cannot be decoded for lack of memory."""

    def decode(self, *_: object, **__: object) -> str:
        raise MemoryError

    def translate(self, *_: object, **__: object) -> bytes:
        raise MemoryError


def test_a_shortage_of_memory_rejects_no_record() -> None:
    """Check that the invocation fails, so that Lambda bisects the batch, and nothing is quarantined."""
    services = FakeServices()
    starved = good(1)
    starved = starved._replace(data=_Starved(starved.data))
    with pytest.raises(MemoryError):
        services.process(good(0), starved)
    assert services.quarantine.rejections == []


def test_an_aggregate_is_not_rejected_where_protobuf_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = FakeServices()
    aggregated = record(aggregate([("key", good(1).data)]), 1)
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    with pytest.raises(ImportError):
        services.process(good(0), aggregated)
    assert services.quarantine.rejections == []


def test_of_thousands_of_unexpected_errors_only_some_are_logged() -> None:
    services = FakeServices()
    report = services.process(*(good(place)._replace(arrival_ms=10**17) for place in range(2_000)))
    check_done(report)
    assert report.rejected == {"internal_error": 2_000}
    assert len(report.warnings) == 20
    assert all(error.__traceback__ is None for error in report.warnings)
