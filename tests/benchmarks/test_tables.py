"""A benchmark of an engine that does not do its work fails."""

from collections.abc import Mapping
from typing import cast

import pytest

from benchmarks.feeds import Feed
from benchmarks.measure import NotDurableError, in_turns
from benchmarks.servers import BenchmarkServers
from benchmarks.tables import WrongRowsError, compare_tables
from benchmarks.worker import Run, Worker


class ScriptedWorker:
    """A worker whose engine finishes all records but some."""

    def __init__(self, undone: int) -> None:
        self._undone = undone

    def run(self, feed: Feed, batches: list[tuple[int, int]]) -> list[Run]:
        return [Run(1.0, 1.0, size, size - self._undone) for _, size in batches]


def workers(**undone: int) -> Mapping[str, Worker]:
    return {name: cast("Worker", ScriptedWorker(count)) for name, count in undone.items()}


def test_ours_and_the_bulk_way_must_finish_every_record() -> None:
    rounds = {"ours": 1, "bulk": 1}
    in_turns(workers(ours=0, bulk=0), Feed("week"), first=0, size=10, rounds=rounds)
    for name in rounds:
        with pytest.raises(NotDurableError, match=f"{name}: 9 of 10 records were done"):
            in_turns(
                workers(**{**dict.fromkeys(rounds, 0), name: 1}),
                Feed("week"),
                first=0,
                size=10,
                rounds=rounds,
            )


def test_what_powertools_leaves_undone_is_counted() -> None:
    found = in_turns(workers(powertools=3), Feed("week"), first=0, size=10, rounds={"powertools": 1})
    assert found.failed("powertools") == 3


class TwoDatabases:
    """Servers that know the digest of each engine's table."""

    def __init__(self, **digests: str) -> None:
        self._digests = digests

    def fetch_value(self, database: str, _: str) -> str:
        return self._digests[database]


def test_an_engine_with_other_rows_is_named() -> None:
    servers = cast("BenchmarkServers", TwoDatabases(ours="1", bulk="1", slow="2"))
    compare_tables(servers, ["bulk"], ours="ours")
    with pytest.raises(WrongRowsError, match="differ from ours: slow"):
        compare_tables(servers, ["bulk", "slow"], ours="ours")
