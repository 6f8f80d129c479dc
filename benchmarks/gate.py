"""A regression gate: fails if our CPU time over that of the same work in bulk grew: `make bench-gate`.

    python -m benchmarks.gate [--results FILE] [--rounds N]

Compares with the committed results, and never a wall time: on a busy machine both engines wait longer, but
neither computes more. What is left of the noise is below the margin.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import cpu, in_turns, load, say
from benchmarks.peers import WEEK_RECORDS, WHAT_BULK_WRITES, fill_week
from benchmarks.servers import BenchmarkServers, start_benchmark_servers
from benchmarks.tables import compare_tables
from benchmarks.worker import Worker
from local.servers.isolation import stay_on_this_machine

RESULTS = Path(__file__).with_name("results.json")
MARGIN = 0.2
_SIZES = (1_000, 10_000)


def main() -> None:
    """Measure, and exit with 1 if a ratio is too high."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description="Fail if we grew slower.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what to compare with")
    parser.add_argument("--rounds", type=int, default=9, help="how often to run each (default: 9)")
    arguments = parser.parse_args()
    stay_on_this_machine(os.environ)
    committed = committed_ratios(json.loads(arguments.results.read_text(encoding="utf-8")))
    with start_benchmark_servers() as servers:
        measured = _measure(servers, arguments.rounds)
    say(f"our CPU time over bulk's, load {load()}:")
    for size, ratio in measured.items():
        say(f"batches of {size}: {ratio:.2f}; committed {committed[size]:.2f}")
    if worse := regressions(measured, committed):
        sys.exit("\n".join(worse))


def committed_ratios(results: Mapping[str, Any]) -> dict[int, float]:
    """Return the committed ratio for each size that the gate measures."""
    return {
        peer["size"]: peer["cpu_over_bulk"]["median"]
        for peer in results["peers"]
        if (peer["mode"], peer["feed"], peer["engine"]) == ("loopback", "week", "ours")
        and peer["size"] in _SIZES
    }


def regressions(measured: Mapping[int, float], committed: Mapping[int, float]) -> list[str]:
    """Return a line for each ratio that is above the committed one by more than the margin."""
    return [
        f"batches of {size}: our CPU time is {ratio:.2f} of bulk's; at most "
        f"{committed[size] * (1 + MARGIN):.2f} is accepted, {MARGIN:.0%} above benchmarks/results.json. "
        "If it is meant to be, run `make bench`."
        for size, ratio in measured.items()
        if ratio > committed[size] * (1 + MARGIN)
    ]


def _measure(servers: BenchmarkServers, rounds: int) -> dict[int, float]:
    filled = fill_week(servers)
    measured = {}
    position = WEEK_RECORDS
    with ExitStack() as stack:
        workers = {}
        for engine in ("ours", "bulk"):
            servers.new_database(engine, copy_of=filled)
            workers[engine] = stack.enter_context(Worker(engine, servers.addresses(engine)))
        for size in _SIZES:
            many = dict.fromkeys(workers, rounds)
            result = in_turns(workers, Feed("week"), first=position, size=size, rounds=many)
            position += size * (rounds + 1)
            measured[size] = result.ratio("ours", "bulk", cpu).median
        compare_tables(servers, ["bulk"], ours="ours", columns=WHAT_BULK_WRITES)
    return measured


if __name__ == "__main__":
    main()
