"""Invariant I1: rows converge, whatever the duplication, order and batching of their history."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.fold import Folded, Folding, fold
from processor.records import Record
from processor.updates import Update, decode, version_text
from tests.support.events import ARRIVAL_MS, record, sequence
from tests.support.fakes import FakeCatalog, Row, value_in, version_in
from tests.support.faults import Faults

SHARDS = ("shardId-1", "shardId-10", "shardId-1-a", "shardId-2", "shardId_1", "a.b", "Z")
INSIDE = {"inventory": "inventory", "price": "price_cents", "discontinued": "discontinued"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(NamedTuple):
    """One update of a history, and the tuple that orders it; `naive_rows` reads only these."""

    order: tuple[int, int, int, str]
    product_id: str
    inventory: int | None
    price_cents: int | None
    discontinued: bool | None = None

    def update(self) -> Update:
        event_time_us, number, sub_sequence, shard = self.order
        fields: dict[str, object] = {"product_id": self.product_id}
        if self.inventory is not None:
            fields["inventory"] = self.inventory
        if self.price_cents is not None:
            fields["price"] = f"{self.price_cents // 100}.{self.price_cents % 100:02d}"
        if self.discontinued is not None:
            fields["discontinued"] = self.discontinued
        arrival_ms, rest_us = divmod(event_time_us, 1000)
        if rest_us:  # else the arrival time is the event time
            event_time = EPOCH + timedelta(microseconds=event_time_us)
            fields["event_time"] = event_time.isoformat(timespec="microseconds")
        received = Record(shard, str(number), sub_sequence, "key", arrival_ms, json.dumps(fields).encode())
        update = decode(received)
        assert isinstance(update, Update), update
        return update


def naive_rows(history: Sequence[Entry]) -> dict[str, Row]:
    """Return the newest value of each register of each product, looked up one by one."""
    rows = {}
    for product_id in {entry.product_id for entry in history}:
        values: dict[str, object] = {}
        versions = {}
        for register, attribute in INSIDE.items():
            mentioning = [entry for entry in history if getattr(entry, attribute) is not None]
            if own := [entry for entry in mentioning if entry.product_id == product_id]:
                values[register] = getattr(max(own), attribute)
                versions[register] = max(own).update().version
        rows[product_id] = Row(values, versions, max(version[:27] for version in versions.values()))
    return rows


ORDERS = st.tuples(
    st.sampled_from([0, 1, 1000, 1_769_848_200_123_000, 1_769_848_200_123_001]),
    st.sampled_from([0, 7, 9, 10, 99, 100, 10**56, 10**129 - 1]),
    st.sampled_from([0, 1, 9, 10]),
    st.sampled_from(SHARDS[:3]),
)
ENTRIES = st.builds(
    lambda order, product_id, values: Entry(order, product_id, *values),
    ORDERS,
    st.sampled_from(["p", "q", "p:lease"]),
    st.tuples(
        st.none() | st.integers(0, 5), st.none() | st.integers(0, 500), st.none() | st.booleans()
    ).filter(lambda values: values != (None, None, None)),
)
HISTORIES = st.lists(ENTRIES, min_size=1, max_size=12, unique_by=lambda entry: entry.order)


@settings(max_examples=150)
@given(st.data())
def test_any_order_duplication_and_batching_ends_in_the_same_rows(data: st.DataObject) -> None:
    history = data.draw(HISTORIES)
    copies = data.draw(st.lists(st.sampled_from(history), max_size=8))
    arriving = data.draw(st.permutations(history + copies))
    cuts = data.draw(st.lists(st.integers(0, len(arriving)), max_size=4).map(sorted))
    catalog = FakeCatalog(Faults())
    for start, end in zip([0, *cuts], [*cuts, len(arriving)], strict=True):
        for change in fold(entry.update() for entry in arriving[start:end]).changes:
            catalog.apply(change)
    assert catalog.rows == naive_rows(history)


@settings(max_examples=100)
@given(st.data())
def test_folding_is_commutative_and_idempotent(data: st.DataObject) -> None:
    updates = [entry.update() for entry in data.draw(HISTORIES)]
    shuffled = data.draw(st.permutations(updates))
    assert fold(shuffled).changes == fold(updates).changes == fold(updates + shuffled).changes


@given(HISTORIES, st.integers(0, 12))
def test_what_parts_fold_to_merges_to_what_all_fold_to(history: list[Entry], cut: int) -> None:
    updates = [entry.update() for entry in history]
    one, other = Folding(), Folding()
    one.add(updates[:cut])
    other.add(updates[cut:])
    one.merge(other.changes())
    assert one.changes() == fold(updates).changes


@given(HISTORIES)
def test_changes_are_ordered_by_product_and_one_each(history: list[Entry]) -> None:
    names = [change.product_id for change in fold(entry.update() for entry in history).changes]
    assert names == sorted({entry.product_id for entry in history})


def entry(number: int, inventory: int | None, price_cents: int | None, product_id: str = "p") -> Update:
    return Entry((ARRIVAL_MS * 1000, number, 0, "shardId-1"), product_id, inventory, price_cents).update()


def test_each_field_has_its_own_newest_update() -> None:
    stock, both, price = entry(3, 30, None), entry(1, 10, 100), entry(2, None, 200)
    for order in ([stock, both, price], [both, price, stock]):
        (change,), superseded = fold(order)
        assert superseded == 0
        assert (value_in(change, "inventory"), version_in(change, "inventory")) == (30, stock.version)
        assert (value_in(change, "price"), version_in(change, "price")) == (200, price.version)


def test_a_field_that_is_never_mentioned_has_no_value_and_no_version() -> None:
    only_stock, only_price = entry(1, 0, None, "a"), entry(2, None, 0, "b")
    (a, b) = fold([only_price, only_stock]).changes
    assert (value_in(a, "inventory"), version_in(a, "inventory")) == (0, only_stock.version)
    assert (value_in(a, "price"), version_in(a, "price")) == (None, None)
    assert (value_in(b, "price"), version_in(b, "price")) == (0, only_price.version)
    assert (value_in(b, "inventory"), version_in(b, "inventory")) == (None, None)


def test_only_a_newer_update_brings_a_discontinued_product_back() -> None:
    catalog = FakeCatalog(Faults())
    for number, value, discontinued in (
        (5, True, True),
        (4, False, True),
        (6, None, True),
        (7, False, False),
        (3, True, False),
    ):
        update = Entry((ARRIVAL_MS * 1000, number, 0, "shardId-1"), "p", number, None, value).update()
        for change in fold([update]).changes:
            catalog.apply(change)
        assert catalog.rows["p"].values["discontinued"] is discontinued
    assert catalog.rows["p"].values["inventory"] == 7


@pytest.mark.parametrize(
    ("numbers", "superseded"), [([1], 0), ([1, 2, 3], 0), ([3, 2, 1], 2), ([1, 1, 1], 2), ([2, 1, 3, 3], 2)]
)
def test_superseded_updates_are_counted(numbers: list[int], superseded: int) -> None:
    assert fold(entry(number, number, None) for number in numbers).superseded == superseded


def test_an_update_that_wins_one_field_is_not_superseded() -> None:
    assert fold([entry(2, 2, None), entry(1, 1, 1)]).superseded == 0


def test_nothing_folds_to_nothing() -> None:
    assert fold([]) == Folded([], 0)


# --- versions

ANY_ORDER = st.tuples(
    st.integers(0, 253_402_300_799_999_999) | st.integers(0, 2_000_000),
    st.integers(0, 1000) | st.integers(1, 129).flatmap(lambda digits: st.integers(0, 10**digits - 1)),
    st.integers(0, 12) | st.integers(0, 2_000_000),
    st.sampled_from(SHARDS) | st.from_regex(r"[a-zA-Z0-9_.-]{1,128}", fullmatch=True),
)


def text_of(order: tuple[int, int, int, str], arrival_ms: int = ARRIVAL_MS) -> str:
    event_time_us, number, sub_sequence, shard = order
    event_time = (EPOCH + timedelta(microseconds=event_time_us)).isoformat(timespec="microseconds")[:26]
    return version_text(event_time, Record(shard, str(number), sub_sequence, "key", arrival_ms, b""))


@settings(max_examples=200)
@given(st.lists(ANY_ORDER, min_size=2, max_size=8), st.data())
def test_versions_are_ordered_as_text_like_their_parts(
    orders: list[tuple[int, int, int, str]], data: st.DataObject
) -> None:
    # Some differ in one part only.
    for one, other in zip(orders[::2], orders[1::2], strict=False):
        orders = [*orders, (*one[:3], other[3]), (*one[:2], *other[2:]), (one[0], other[1], *one[2:])]
    orders = sorted(set(orders))
    arrivals = data.draw(st.lists(st.integers(0, 10**13), min_size=len(orders), max_size=len(orders)))
    texts = [text_of(order, arrival_ms) for order, arrival_ms in zip(orders, arrivals, strict=True)]
    assert texts == sorted(texts)
    as_stored = [text.encode("ascii") for text in texts]  # COLLATE "C" compares bytes
    assert as_stored == sorted(as_stored)
    assert len(set(texts)) == len(orders)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ((0, 10**128, 9, "z"), (1, 0, 0, "a")),
        ((0, 9, 9, "z"), (0, 10, 0, "a")),
        ((0, 10**128, 9, "z"), (0, 10**128 + 1, 0, "a")),
        ((0, 1, 9, "z"), (0, 1, 10, "a")),
        ((0, 1, 0, "shardId-1"), (0, 1, 0, "shardId-1-a")),
        ((0, 1, 0, "shardId-1"), (0, 1, 0, "shardId-10")),
        ((0, 1, 0, "shardId-1-a"), (0, 1, 0, "shardId-10")),
        ((0, 1, 0, "shardId-10"), (0, 1, 0, "shardId-2")),
        ((999_999, 1, 0, "s"), (1_000_000, 1, 0, "s")),
    ],
)
def test_what_decides_between_two_versions(
    older: tuple[int, int, int, str], newer: tuple[int, int, int, str]
) -> None:
    assert text_of(older, arrival_ms=9 * 10**12) < text_of(newer, arrival_ms=0)


def test_a_version_names_the_archive_line_that_wrote_the_field() -> None:
    update = decode(record({"product_id": "p", "inventory": 1}, 5, sub_sequence=3))
    assert isinstance(update, Update)
    _, number, sub_sequence, shard, arrival_ms = update.version.split(" ")
    assert number.split(":")[1] == sequence(5)
    assert (int(sub_sequence), shard, int(arrival_ms)) == (3, update.record.shard, ARRIVAL_MS)
