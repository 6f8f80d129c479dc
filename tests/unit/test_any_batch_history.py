"""Whatever fails and is retried, every record ends up where it belongs."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.fold import fold
from processor.pending_invalidations import drain_all
from processor.poison_records import SUSPECT_AGE_MS
from processor.records import Record, expand
from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, aggregate, record
from tests.support.fakes import BUDGET_SECONDS, MAX_INTEGER, FakeServices, Row, is_newer
from tests.support.faults import Fault
from tests.support.simulated_time import simulate


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Draw a shard's records: valid ones of three products, one of which the table refuses, and bad ones."""
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


TROUBLES = st.lists(st.sampled_from([None, None, None, *Fault, RuntimeError("unexpected")]), max_size=25)


def check_acknowledged(services: FakeServices, acknowledged: Sequence[Record]) -> None:
    """Check invariant I5: each is archived, and quarantined or in its row with no stale value cached."""
    for one in (user_record for received in acknowledged for user_record in expand(received)):
        assert one in services.archive.records
        outcome = decode(one)
        if isinstance(outcome, Rejection) or outcome.product_id == "refused":
            assert one in {rejection.record for rejection in services.quarantine.rejections}
            continue
        versions = services.catalog.rows[outcome.product_id].versions
        assert not any(is_newer(outcome.version, versions.get(register)) for register in outcome.values)


def check_cached(services: FakeServices, products: set[str]) -> None:
    """Check that cached values of these products equal their rows, or have a pending invalidation."""
    for product_id in products - set(services.catalog.pending):
        cached = services.cache.values.get(product_id)
        assert cached is None or cached == services.catalog.rows.get(product_id, "older")


def expected_rows(history: Sequence[Record]) -> dict[str, Row]:
    """Apply one update after the other, without batches or folding."""
    services = FakeServices()
    for received in history:
        for one in expand(received):
            update = decode(one)
            if isinstance(update, Update) and update.product_id != "refused":
                services.catalog.apply(*fold([update]).changes)
    return services.catalog.rows


@settings(max_examples=200)
@given(
    history=histories(),
    troubles=TROUBLES,
    sizes=st.lists(st.integers(1, 4), max_size=20),
    overlap=st.integers(0, 2),
    halves_from=st.sampled_from([2, MAX_INTEGER]),
)
def test_whatever_fails_and_is_retried_every_record_ends_up_where_it_belongs(
    history: list[Record],
    troubles: list[Fault | Exception | None],
    sizes: list[int],
    overlap: int,
    halves_from: int,
) -> None:
    """Deliver a shard as an event source mapping does, while anything fails at any time."""
    remaining = iter(troubles)
    services = FakeServices(lambda _: next(remaining, None))
    services.catalog.refuses = lambda change: change.product_id == "refused"
    services.catalog.halves_from = halves_from
    services.clock.now = ARRIVAL_MS + SUSPECT_AGE_MS + 1
    services.cache.values.update(p="older", q="older")
    batch_sizes = iter(sizes)

    async def deliver() -> None:
        done = 0
        for _ in range(200):
            if done == len(history):
                return
            for product_id, row in services.catalog.rows.items():
                services.cache.values.setdefault(product_id, row)  # the shop reads every product
            start = max(0, done - overlap)
            batch = history[start : done + next(batch_sizes, 3)]
            try:
                report = await services.invoke(*batch)
            except RuntimeError:
                continue
            if report.unexpected:
                continue
            numbers = [one.sequence_number for one in batch]
            unfinished = numbers.index(report.first_unfinished) if report.first_unfinished else len(batch)
            check_acknowledged(services, batch[:unfinished])
            if report.first_unfinished is None:
                outcomes = [decode(one) for received in batch for one in expand(received)]
                check_cached(services, {one.product_id for one in outcomes if isinstance(one, Update)})
            done = max(done, start + unfinished)
        raise AssertionError("it never ends")

    async def scenario() -> None:
        await deliver()
        services.faults.plan = lambda _: None
        await drain_all(services.ports, services.clock.monotonic() + BUDGET_SECONDS)

    simulate(scenario())
    check_acknowledged(services, history)
    assert services.catalog.rows == expected_rows(history)
    check_cached(services, {"p", "q", "refused"})
    assert services.catalog.pending == {}
    assert set(services.quarantine.reasons) <= {
        "invalid_json",
        "nothing_to_update",
        "catalog_refused",
        "killed_process",
    }
