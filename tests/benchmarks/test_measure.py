"""Interleaved rounds: the same batch for each engine, in changing order; ratios within a round only."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from benchmarks.feeds import Feed
from benchmarks.measure import in_turns, order, ratio_of, wall
from benchmarks.worker import Run, Worker

WEEK = Feed("week")


@dataclass
class FakeWorker:
    """A worker whose batches take the given seconds, one after another."""

    name: str
    seconds: list[float]
    log: list[tuple[str, int]]
    taken: int = field(default=0)

    def run(self, feed: Feed, batches: list[tuple[int, int]]) -> list[Run]:
        assert feed is WEEK
        ((first, size),) = batches
        self.log.append((self.name, first))
        self.taken += 1
        return [Run(self.seconds[self.taken - 1], 0.001, size, size)]


def workers(log: list[tuple[str, int]], **seconds: list[float]) -> dict[str, Worker]:
    return {name: cast("Worker", FakeWorker(name, times, log)) for name, times in seconds.items()}


def test_each_round_runs_one_batch_by_every_engine_and_the_first_does_not_count() -> None:
    log: list[tuple[str, int]] = []
    both = workers(log, ours=[9.0, 1.0, 2.0, 3.0], bulk=[0.1, 1.0, 1.0, 1.0])
    rounds = in_turns(both, WEEK, first=50, size=10, rounds={"ours": 3, "bulk": 3})
    assert [run.wall_seconds for run in rounds.runs["ours"]] == [1.0, 2.0, 3.0]
    assert sorted(log[:2]) == [("bulk", 50), ("ours", 50)]
    assert [{first for _, first in log[start : start + 2]} for start in (0, 2, 4, 6)] == [
        {50},
        {60},
        {70},
        {80},
    ]
    assert rounds.failed("ours") == 0


def test_a_ratio_compares_within_a_round() -> None:
    """While the machine is four times as slow, both are, and the ratio stays."""
    both = workers([], ours=[1.0, 2.0, 8.0, 2.0], bulk=[1.0, 1.0, 4.0, 1.0])
    rounds = in_turns(both, WEEK, first=0, size=10, rounds={"ours": 3, "bulk": 3})
    ratio = rounds.ratio("ours", "bulk", wall)
    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)


def test_an_engine_may_run_in_fewer_rounds() -> None:
    some = workers([], ours=[1.0] * 6, slow=[5.0, 7.0])
    rounds = in_turns(some, WEEK, first=0, size=10, rounds={"ours": 5, "slow": 2})
    assert rounds.ratio("slow", "ours", wall).median == pytest.approx(6.0)
    assert rounds.ratio("slow", "ours", wall).rounds == 2


def test_every_engine_is_first_and_last_as_often() -> None:
    names = ["a", "b", "c"]
    orders = [order(names, number) for number in range(6)]
    for place in range(3):
        assert sorted(turn[place] for turn in orders) == ["a", "a", "b", "b", "c", "c"]


def test_the_spread_is_the_quartiles() -> None:
    ratio: Any = ratio_of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (ratio.low, ratio.median, ratio.high, ratio.rounds) == (2.0, 3.0, 4.0, 5)
    assert ratio_of([7.0]).low == 7.0
