"""An upsert in two halves: what its caller hears of them, and what a batch makes of it."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from processor.adapters.halves import upsert_halves
from processor.errors import CatalogRefusedError, DependencyError, StatementTimeoutError
from processor.fold import ROW_COLUMNS, Change
from processor.ports import Upserted
from tests.support.batches import check_done, good, stocks
from tests.support.events import sequence
from tests.support.fakes import FakeServices
from tests.support.faults import Fault
from tests.support.simulated_time import simulate

CHANGES = [Change(f"p{number}", [None] * len(ROW_COLUMNS)) for number in range(5)]
REFUSED, LOST = CatalogRefusedError("refused"), DependencyError("lost")
TIMED_OUT, UNEXPECTED = StatementTimeoutError("late"), RuntimeError("unexpected")


class Scripted:
    """An upsert whose halves take `seconds` and end as told: how many changed, or an error; one a call.

    `begun`: each call's products, its begin, and its time limit; `ended`: those that ended by themselves.
    """

    def __init__(
        self,
        first: list[int | Exception],
        second: list[int | Exception],
        *,
        seconds: tuple[float, float] = (1, 2),
    ) -> None:
        self._outcomes = {"p0": iter(first), "p2": iter(second)}
        self._seconds = dict(zip(self._outcomes, seconds, strict=True))
        self.begun: list[tuple[str, float, float]] = []
        self.ended: list[str] = []

    async def __call__(self, changes: Sequence[Change], within_seconds: float) -> Upserted:
        first = changes[0].product_id
        self.begun.append(
            (" ".join(one.product_id for one in changes), asyncio.get_running_loop().time(), within_seconds)
        )
        await asyncio.sleep(self._seconds[first])
        self.ended.append(first)
        outcome = next(self._outcomes[first])
        if isinstance(outcome, Exception):
            raise outcome
        return Upserted(outcome, has_pending_invalidations=first == "p2")


def test_halves_go_at_the_same_time_each_with_all_of_it() -> None:
    upsert = Scripted([2], [3])
    assert simulate(upsert_halves(upsert, CHANGES, 10)) == Upserted(5, has_pending_invalidations=True)
    assert upsert.begun == [("p0 p1", 0, 10), ("p2 p3 p4", 0, 10)]


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (REFUSED, 3, REFUSED),
        (2, REFUSED, REFUSED),
        (TIMED_OUT, 3, TIMED_OUT),
        (2, UNEXPECTED, UNEXPECTED),
        (REFUSED, TIMED_OUT, TIMED_OUT),
        (TIMED_OUT, REFUSED, TIMED_OUT),
        (UNEXPECTED, TIMED_OUT, UNEXPECTED),
        (REFUSED, UNEXPECTED, UNEXPECTED),
        (LOST, LOST, LOST),
    ],
)
def test_of_two_errors_the_one_that_matters_is_raised_when_both_have_ended(
    first: int | Exception, second: int | Exception, raised: Exception
) -> None:
    upsert = Scripted([first], [second])
    with pytest.raises(type(raised)) as caught:
        simulate(upsert_halves(upsert, CHANGES, 10))
    assert caught.value is raised
    assert upsert.ended == ["p0", "p2"], "neither is cancelled for the other, nor tried again"


@pytest.mark.parametrize(
    ("other", "raised"), [(2, None), (REFUSED, REFUSED), (TIMED_OUT, TIMED_OUT), (UNEXPECTED, UNEXPECTED)]
)
def test_a_half_without_a_connection_goes_after_the_other(
    other: int | Exception, raised: Exception | None
) -> None:
    """Check that the database's last free connection is enough."""
    upsert = Scripted([other], [LOST, 3], seconds=(4, 1))
    if raised is None:
        assert simulate(upsert_halves(upsert, CHANGES, 10)).changed == 5
    else:
        with pytest.raises(type(raised)):
            simulate(upsert_halves(upsert, CHANGES, 10))
    assert upsert.begun == [("p0 p1", 0, 10), ("p2 p3 p4", 0, 10), ("p2 p3 p4", 4, 6)]


def test_a_half_that_is_lost_again_is_a_failed_dependency() -> None:
    with pytest.raises(DependencyError, match="lost"):
        simulate(upsert_halves(Scripted([REFUSED], [LOST, LOST]), CHANGES, 10))


def test_cancelling_it_cancels_both() -> None:
    upsert = Scripted([2], [3])

    async def scenario() -> None:
        task = asyncio.ensure_future(upsert_halves(upsert, CHANGES, 10))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(5)

    simulate(scenario())
    assert upsert.ended == []


# --- what a batch makes of it


def in_halves() -> FakeServices:
    services = FakeServices()
    services.catalog.halves_from = 2
    return services


def test_what_the_table_refuses_in_one_half_is_isolated() -> None:
    services = in_halves()
    services.catalog.refuses = lambda change: change.product_id in ("p0", "p70")
    batch = [good(position) for position in range(100)]
    check_done(services.process(*batch))
    assert {one.record for one in services.quarantine.rejections} == {batch[0], batch[70]}
    assert stocks(services) == {f"p{place}": place for place in range(100) if place not in (0, 70)}


@pytest.mark.parametrize("locked", [0, 1, 10, 50, 99])
def test_records_before_a_locked_row_are_acknowledged(locked: int) -> None:
    services = in_halves()
    services.catalog.locked = {f"p{locked}"}
    batch = [good(place) for place in range(100)]
    assert services.process(*batch).first_unfinished == sequence(locked)
    assert set(stocks(services)) >= {f"p{place}" for place in range(locked)}
    # Those of the other half, too, which is applied and not acknowledged: the row may be locked for long.
    assert set(itertools.chain(*services.cache.invalidated)) == {f"p{place}" for place in range(100)}
    services.catalog.locked = set()
    check_done(services.process(*batch[locked:]))
    assert set(itertools.chain(*services.cache.invalidated)) == {f"p{place}" for place in range(100)}


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.HANGS_AFTERWARDS, RuntimeError("unexpected")], ids=str)
def test_with_one_half_unsure_nothing_is_acknowledged(fault: Fault | Exception, half: int) -> None:
    services = in_halves()
    faults = iter([None, fault] if half else [fault])
    services.faults.plan = lambda operation: next(faults, None) if operation == "catalog.upsert" else None
    assert services.process(*(good(place) for place in range(10))).first_unfinished == sequence(0)
    assert services.faults.begun.count("catalog.upsert") == 2
    assert services.cache.invalidated == []


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.FAILS_AFTERWARDS], ids=str)
def test_a_database_that_is_down_for_both_halves_is_tried_once(fault: Fault) -> None:
    services = in_halves()
    services.faults.plan = lambda operation: fault if operation == "catalog.upsert" else None
    assert services.process(*(good(place) for place in range(10))).first_unfinished == sequence(0)
    assert services.faults.begun.count("catalog.upsert") == 2
