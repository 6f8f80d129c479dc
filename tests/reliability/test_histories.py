"""Histories are drawn from a seed, are what the checker believes them to be, and can be made smaller."""

from datetime import UTC, datetime

import pytest

from processor.records import Record, expand
from processor.updates import Update, decode
from reliability import checker
from reliability.history import POISON, Put, draw, smaller
from reliability.simulated.faults import kinds_without_code

ARRIVAL = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
SEEDS = range(1, 60)


def test_a_seed_always_gives_the_same_history() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_every_kind_of_fault_is_known_to_the_world() -> None:
    assert kinds_without_code() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_checker_judges_records_as_the_processor_does(seed: int) -> None:
    for put in draw(seed).puts:
        for content in put.contents:
            record = Record(
                "shardId-000000000000", "95", 0, put.key, int(ARRIVAL.timestamp() * 1000), content
            )
            judged = checker.decode(record[:3], content, ARRIVAL, refuses=lambda _: False, poison=POISON)
            assert bool(judged.fields) is isinstance(decode(record), Update), content


def test_an_aggregate_holds_its_contents() -> None:
    contents = (b"one", b"x" * 300, "çam".encode())
    record = Record(
        "shardId-000000000000", "95", 0, "key", 0, Put(0.0, "key", contents, is_aggregate=True).data
    )
    assert tuple(one.data for one in expand(record)) == contents


def test_smaller_histories_have_less_of_something() -> None:
    history = draw(3)
    size = len(history.puts) + len(history.faults) + len(history.acts) + history.readers + history.shards
    candidates = list(smaller(history))
    assert candidates
    for one in candidates:
        assert len(one.puts) + len(one.faults) + len(one.acts) + one.readers + one.shards < size
