"""The catalog in memory, of unit tests and simulations, and the one in PostgreSQL keep one contract."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.adapters import upsert
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.postgres import Database
from processor.errors import CatalogRefused
from processor.fold import Change, fold
from processor.ports import Catalog, Upserted
from processor.product import REGISTERS
from processor.updates import Update, decode
from tests.events import record
from tests.fakes import FakeCatalog, Faults
from tests.world import World

State = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both catalogs."""

    fake: FakeCatalog
    real: PostgresCatalog
    world: World

    async def rows(self) -> State:
        """The real one's rows."""
        found = await self.world.database.fetch("SELECT * FROM products")
        return {row["product_id"]: dict(row) for row in found}

    def fake_rows(self) -> State:
        """The fake one's rows, as the real one shows them."""
        rows = {}
        for product_id, row in self.fake.rows.items():
            cents = row.values.get("price")
            rows[product_id] = {
                "product_id": product_id,
                "inventory": row.values.get("inventory", 0),
                "price": Decimal(cents).scaleb(-2) if isinstance(cents, int) else None,
                "discontinued": row.values.get("discontinued", False),
                **{f"{register}_version": row.versions.get(register) for register in REGISTERS},
                "last_updated": datetime.fromisoformat(row.last_updated),
            }
        return rows


@pytest.fixture
async def pair(world: World) -> AsyncIterator[Pair]:
    """Both catalogs, empty."""

    database = Database(world.administrator, None, 1)
    yield Pair(FakeCatalog(Faults(lambda _: None)), PostgresCatalog(database, process_id="test"), world)
    database.terminate()


def update(position: int, **fields: Any) -> Update:
    """A valid update at this place in the shard."""
    decoded = decode(record({"product_id": "a", **fields}, position))
    assert isinstance(decoded, Update), decoded
    return decoded


histories = st.lists(
    st.builds(
        lambda position, product, told, day: update(
            position, product_id=product, event_time=f"2026-01-{day:02d}T00:00:00Z", **told
        ),
        position=st.integers(0, 99),
        product=st.sampled_from(["a", "b", "B", "ä", "a:lease"]),
        told=st.fixed_dictionaries(
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


@QUICKLY
@given(histories)
async def test_both_hold_the_same_rows_after_any_history(pair: Pair, history: list[Update]) -> None:
    await pair.world.database.execute("TRUNCATE products")
    pair.fake.rows.clear()
    for start in range(0, len(history), 4):
        changes = fold(history[start : start + 4]).changes
        assert await pair.real.upsert(changes) == await pair.fake.upsert(changes)
        assert await pair.rows() == pair.fake_rows()
    for again in reversed(history):
        changes = fold([again]).changes
        assert (await pair.real.upsert(changes)).changed == 0
        assert (await pair.fake.upsert(changes)).changed == 0


@pytest.fixture(params=["fake", "real"])
def catalog(request: pytest.FixtureRequest, pair: Pair) -> Catalog:
    """Either of the two."""
    chosen: Catalog = getattr(pair, request.param)
    return chosen


async def test_misses_are_remembered_until_exactly_they_are_forgotten(catalog: Catalog) -> None:
    await catalog.add_missed_invalidations(["a", "b"])
    (first, second) = await catalog.missed_invalidations(10)
    assert (first.product_id, second.product_id) == ("a", "b")
    await catalog.add_missed_invalidations(["a"])
    assert [miss.product_id for miss in await catalog.missed_invalidations(2)] == ["a", "b"]
    await catalog.forget_missed_invalidations([first.id, second.id])
    (newer,) = await catalog.missed_invalidations(10)
    assert newer.product_id == "a"
    assert newer.id not in (first.id, second.id)


async def test_an_upsert_tells_that_misses_wait(catalog: Catalog) -> None:
    changes = fold([update(0, inventory=1)]).changes
    assert not (await catalog.upsert(changes)).invalidations_pending
    await catalog.add_missed_invalidations(["a"])
    assert (await catalog.upsert(changes)).invalidations_pending


@pytest.mark.parametrize("which", ["fake", "real"])
async def test_the_marks_of_other_processes_are_counted_until_cleared(pair: Pair, which: str) -> None:
    catalog = pair.fake if which == "fake" else pair.real
    one, other = record("x", 1), record("x", 2)
    for number in range(3):
        catalog.process_id = f"process {number}"
        assert await catalog.mark_attempt(one) == number
        assert await catalog.mark_attempt(one) == number, "its own marks count for nothing"
    assert await catalog.mark_attempt(other) == 0
    await catalog.clear_attempts(one)
    catalog.process_id = "process 3"
    assert await catalog.mark_attempt(one) == 0


@QUICKLY
@given(histories.filter(bool))
async def test_the_statement_writes_the_same_from_json_as_from_arrays(
    pair: Pair, history: list[Update]
) -> None:
    names = [name for name, _ in upsert.COLUMNS]
    definition = ", ".join(f"{name} {type_}" for name, type_ in upsert.COLUMNS)
    from_json = upsert.upsert_statement(f"jsonb_to_recordset($1) AS change ({definition})")
    await pair.world.database.execute("TRUNCATE products")
    pair.fake.rows.clear()
    for start in range(0, len(history), 3):
        changes = fold(history[start : start + 3]).changes
        rows = [dict(zip(names, row, strict=True)) for row in zip(*upsert.columns(changes), strict=True)]
        answer = await pair.world.database.fetchrow(from_json, json.dumps(rows))
        assert answer is not None
        assert Upserted(*answer) == await pair.fake.upsert(changes)
        assert await pair.rows() == pair.fake_rows()


async def test_the_real_one_refuses_what_the_table_forbids_and_keeps_nothing_of_it(pair: Pair) -> None:
    good = update(0, product_id="good", inventory=1)
    for bad in ({"inventory": -1}, {"price": -1}):
        refused = Change("bad", dict.fromkeys(bad, good._replace(values=bad)))
        with pytest.raises(CatalogRefused):
            await pair.real.upsert([refused, *fold([good]).changes])
    assert await pair.rows() == {}
