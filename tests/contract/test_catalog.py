"""The fake catalog of unit tests and simulations keeps the same contract as the one in PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.adapters.catalog import PostgresCatalog
from processor.adapters.postgres import Database
from processor.errors import CatalogRefusedError
from processor.fold import fold
from processor.ports import Catalog, PendingInvalidation
from processor.product import REGISTERS
from processor.registers import Register
from processor.updates import Update, decode
from tests.support.events import record
from tests.support.fakes import MAX_INTEGER, FakeCatalog
from tests.support.faults import Faults
from tests.support.real_servers import Services

State = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both catalogs."""

    fake: FakeCatalog
    real: PostgresCatalog
    services: Services

    async def rows(self) -> State:
        """Return the real catalog's rows."""
        found = await self.services.database.fetch("SELECT * FROM products")
        return {row["product_id"]: dict(row) for row in found}

    def fake_rows(self) -> State:
        """Return the fake catalog's rows as the real one shows them."""
        return {
            product_id: {
                "product_id": product_id,
                **{name: column(kind, row.values.get(name)) for name, kind in REGISTERS.items()},
                **{f"{name}_version": row.versions.get(name) for name in REGISTERS},
                "last_updated": datetime.fromisoformat(row.last_updated),
            }
            for product_id, row in self.fake.rows.items()
        }


def column(kind: Register, inside: Any) -> object:
    """Return what a register's column holds for a value inside; None is one that was never set."""
    match kind.parameter:
        case "integer":
            return inside or 0
        case "bigint":
            return None if inside is None else Decimal(inside).scaleb(-2)
        case "boolean":
            return inside or False
    return inside


@pytest.fixture
async def pair(services: Services, request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Yield both catalogs, empty; the parameter is from how many changes on upserts go in halves."""
    halves_from = getattr(request, "param", MAX_INTEGER)
    database = Database(services.administrator, None, 2)
    real = PostgresCatalog(database, process_id="test", halves_from=halves_from)
    fake = FakeCatalog(Faults(lambda _: None))
    fake.halves_from = halves_from
    yield Pair(fake, real, services)
    database.terminate()


def update(position: int, **fields: Any) -> Update:
    """Return a valid update at this position in the shard."""
    decoded = decode(record({"product_id": "a", **fields}, position))
    assert isinstance(decoded, Update), decoded
    return decoded


histories = st.lists(
    st.builds(
        lambda position, product, values, day: update(
            position, product_id=product, event_time=f"2026-01-{day:02d}T00:00:00Z", **values
        ),
        position=st.integers(0, 99),
        product=st.sampled_from(["a", "b", "B", "ä", "a:lease"]),
        values=st.fixed_dictionaries(
            {},
            optional={
                "inventory": st.integers(0, 2_147_483_647),
                "price": st.integers(0, 9_999_999_999).map(lambda c: f"{c // 100}.{c % 100:02d}"),
                "discontinued": st.booleans(),
            },
        ).filter(bool),
        day=st.integers(1, 3),
    ),
    max_size=12,
    unique_by=lambda one: one.record.sequence_number,
)


QUICKLY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("pair", [MAX_INTEGER, 2], indirect=True, ids=["whole", "halves"])
@QUICKLY
@given(histories)
async def test_both_hold_the_same_rows_after_any_history(pair: Pair, history: list[Update]) -> None:
    await pair.services.database.execute("TRUNCATE products")
    pair.fake.rows.clear()
    for start in range(0, len(history), 4):
        changes = fold(history[start : start + 4]).changes
        assert await pair.real.upsert(changes) == await pair.fake.upsert(changes, within_seconds=5)
        assert await pair.rows() == pair.fake_rows()
    for again in reversed(history):
        changes = fold([again]).changes
        assert (await pair.real.upsert(changes)).changed == 0
        assert (await pair.fake.upsert(changes, within_seconds=5)).changed == 0


@pytest.fixture(params=["fake", "real"])
def catalog(request: pytest.FixtureRequest, pair: Pair) -> Catalog:
    """Return either of the two."""
    chosen: Catalog = getattr(pair, request.param)
    return chosen


async def pending(catalog: Catalog, limit: int, *, after: str = "") -> list[PendingInvalidation]:
    entries = await catalog.pending_invalidations(limit, after=after)
    assert entries is not None, "another process drains"
    return entries


async def test_pending_invalidations_are_kept_until_exactly_they_are_removed(catalog: Catalog) -> None:
    await catalog.add_pending_invalidations(["a", "b"])
    (first, second) = await pending(catalog, 10)
    assert (first.product_id, second.product_id) == ("a", "b")
    await catalog.add_pending_invalidations(["a"])
    assert [entry.product_id for entry in await pending(catalog, 10)] == ["a", "b"]
    assert [entry.product_id for entry in await pending(catalog, 1, after="a")] == ["b"]
    assert await catalog.remove_pending_invalidations([first, second]) == 1
    assert await pending(catalog, 10, after="b") == []
    (newer,) = await pending(catalog, 10)
    assert newer.product_id == "a"
    assert newer.id not in (first.id, second.id)


async def test_an_upsert_returns_whether_invalidations_are_pending(catalog: Catalog) -> None:
    changes = fold([update(0, inventory=1)]).changes
    assert not (await catalog.upsert(changes, within_seconds=5)).has_pending_invalidations
    await catalog.add_pending_invalidations(["a"])
    assert (await catalog.upsert(changes, within_seconds=5)).has_pending_invalidations


@pytest.mark.parametrize("which", ["fake", "real"])
async def test_only_one_process_drains_at_a_time(pair: Pair, which: str) -> None:
    catalog = pair.fake if which == "fake" else pair.real
    await catalog.add_pending_invalidations(["a", "b"])
    catalog.process_id = "one"
    assert len(await pending(catalog, 10)) == 2
    catalog.process_id = "other"
    assert await catalog.pending_invalidations(10) is None
    await catalog.end_drain()
    assert await catalog.pending_invalidations(10) is None, "only the process that drains can end it"
    catalog.process_id = "one"
    await catalog.end_drain()
    catalog.process_id = "other"
    assert len(await pending(catalog, 10)) == 2


@pytest.mark.parametrize("which", ["fake", "real"])
async def test_the_marks_of_other_processes_are_returned_until_cleared(pair: Pair, which: str) -> None:
    catalog = pair.fake if which == "fake" else pair.real
    one, other = record("x", 1), record("x", 2)
    for number in range(3):
        catalog.process_id = f"process {number}"
        others = {f"process {before}" for before in range(number)}
        assert await catalog.mark_attempt(one) == others
        assert await catalog.mark_attempt(one) == others, "its own marks do not count"
    assert await catalog.mark_attempt(other) == set()
    await catalog.clear_attempts(one)
    catalog.process_id = "process 3"
    assert await catalog.mark_attempt(one) == set()


@pytest.mark.parametrize("which", ["fake", "real"])
async def test_marks_that_were_not_cleared_are_taken_back(pair: Pair, which: str) -> None:
    catalog = pair.fake if which == "fake" else pair.real
    for process_id in ("one that died", "a process"):
        catalog.process_id = process_id
        await catalog.mark_attempt(record("x", 1))
    await catalog.take_back_marks()
    catalog.process_id = "another"
    assert await catalog.mark_attempt(record("x", 1)) == {"one that died"}


@QUICKLY
@given(histories)
async def test_one_by_one_ends_in_the_same_rows_and_both_return_what_is_outdated(
    pair: Pair, history: list[Update]
) -> None:
    await pair.services.database.execute("TRUNCATE products")
    pair.fake.rows.clear()
    for start in range(0, len(history), 4):
        part = sorted(history[start : start + 4], key=lambda one: one.product_id)
        folded = fold(part).changes
        outdated = await pair.real.outdated(folded)
        assert outdated == await pair.fake.outdated(folded, within_seconds=5)
        changes = [fold([one]).changes[0] for one in part]
        real, fake = (
            await pair.real.upsert_one_by_one(changes),
            await pair.fake.upsert_one_by_one(changes, within_seconds=5),
        )
        assert real == fake
        assert await pair.rows() == pair.fake_rows()
        assert await pair.real.outdated(folded) == []


async def test_the_previous_release_may_add_a_pending_product_again(pair: Pair) -> None:
    """Check its statement, which runs concurrently with ours during a deploy."""
    for _ in range(2):
        await pair.services.database.execute(
            "INSERT INTO pending_invalidation (product_id) SELECT unnest($1::text[])"
            " ON CONFLICT (product_id) DO UPDATE SET id = DEFAULT, missed_at = now()",
            ["a", "b"],
        )
    (first, _) = await pending(pair.real, 10)
    await pair.real.add_pending_invalidations(["a"])
    (again, _) = await pending(pair.real, 10)
    assert (again.product_id, again.id > first.id) == ("a", True)


BEYOND_THE_TABLE = [
    update(0, inventory=1)._replace(values={"inventory": 2**31}),
    update(0, inventory=1)._replace(values={"inventory": -1}),
    update(0, price=1)._replace(values={"price": 10**10}),
    update(0, price=1)._replace(values={"price": 2**63}),
    update(0, price=1)._replace(product_id="NUL \0"),
    update(0, price=1)._replace(product_id="\ud800"),
    update(0, price=1)._replace(product_id="x" * 256),
]


@pytest.mark.parametrize(
    "bad", BEYOND_THE_TABLE, ids=lambda bad: repr((bad.product_id[:9], *bad.values.values()))
)
async def test_a_value_that_no_column_holds_is_refused_and_found(pair: Pair, bad: Update) -> None:
    """Check for a hole in validation: together nothing is stored, one by one the others are."""
    good = update(1, product_id="a good one", inventory=1)
    changes = sorted([*fold([good]).changes, *fold([bad]).changes], key=lambda change: change.product_id)
    with pytest.raises(CatalogRefusedError):
        await pair.real.upsert(changes)
    upserted, refusals = await pair.real.upsert_one_by_one(changes)
    assert upserted.changed == 1
    assert [changes[refusal.position].product_id for refusal in refusals] == [bad.product_id]
    assert set(await pair.rows()) == {"a good one"}


async def test_expired_pending_invalidations_and_marks_are_removed(pair: Pair) -> None:
    await pair.real.add_pending_invalidations(["old", "new"])
    await pair.real.mark_attempt(record("x", 1))
    await pair.services.database.execute(
        "UPDATE pending_invalidation SET missed_at = now() - interval '331 s' WHERE product_id = 'old'"
    )
    await pair.services.database.execute(
        "UPDATE processing_attempt SET last_tried_at = now() - interval '25 h'"
    )
    pair.real.process_id = "another"
    assert await pair.real.mark_attempt(record("x", 1)) == set(), "a mark of another day does not count"
    assert await pair.real.remove_expired_pending_invalidations(330) == 1
    await pair.real.tidy()
    assert await pair.services.pending() == {"new"}
    (left,) = await pair.services.database.fetch("SELECT process_id FROM processing_attempt")
    assert left["process_id"] == "another"


async def test_the_real_one_refuses_what_the_table_forbids_and_stores_nothing(pair: Pair) -> None:
    good = update(0, product_id="good", inventory=1)
    for bad in ({"inventory": -1}, {"price": -1}):
        (refused,) = fold([good._replace(product_id="bad", values=bad)]).changes
        with pytest.raises(CatalogRefusedError):
            await pair.real.upsert([refused, *fold([good]).changes])
    assert await pair.rows() == {}
