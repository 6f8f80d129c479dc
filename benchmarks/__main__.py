"""Measure and report: `make bench`.

    python -m benchmarks [--quick] [--only PART …]

Prints the ratios, writes benchmarks/results.json, docs/performance.md and the plots. With `--only` it runs
some parts and writes nothing.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import committed_rows, footprint, growth, peers, report
from benchmarks.blocking_turns import blocking_turns
from benchmarks.dollars import dollars
from benchmarks.goals import GOALS
from benchmarks.measure import load, say
from benchmarks.servers import start_benchmark_servers
from local.servers.isolation import stay_on_this_machine

QUICK_RESULTS = Path(__file__).parents[1] / ".local" / "benchmarks" / "quick.json"
_Part = Callable[..., dict[str, Any]]
PARTS: dict[str, _Part] = {
    "peers": peers.compare,
    "rows": committed_rows.compare,
    "containers": growth.containers,
    "table": growth.table,
    "turns": blocking_turns,
    "first-batch": footprint.first_batch,
    "memory": footprint.memory,
}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure and report.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, at most 3 minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    stay_on_this_machine(os.environ)
    started = time.monotonic()
    results = _measure(arguments.only or list(PARTS), quick=arguments.quick)
    _print_ratios(results["ratios"])
    say(f"{time.monotonic() - started:.0f} s")
    if not arguments.only:
        _write(results, quick=arguments.quick)


def _measure(parts: list[str], *, quick: bool) -> dict[str, Any]:
    results: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load_before": load(),
        "ratios": {},
    }
    with start_benchmark_servers() as servers:
        for name in parts:
            started = time.monotonic()
            _add(results, PARTS[name](servers, quick=quick))
            say(f"  {name}: {time.monotonic() - started:.0f} s")
    results["load_after"] = load()
    results["dollars"] = dollars(results.get("peers", []))
    return results


def _add(results: dict[str, Any], part: dict[str, Any]) -> None:
    results["ratios"] |= part.pop("ratios")
    results |= part


def _write(results: dict[str, Any], *, quick: bool) -> None:
    path = QUICK_RESULTS if quick else report.RESULTS
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not quick:
        report.main()


def _print_ratios(ratios: dict[str, Any]) -> None:
    for name, goal in GOALS.items():
        if (ratio := ratios.get(name)) is not None:
            verdict = "met" if goal.is_met(ratio["median"]) else "NOT met"
            spread = f"{ratio['low']:.2f} to {ratio['high']:.2f}, {ratio['rounds']} rounds"
            say(f"{name:32} {ratio['median']:8.2f}  ({spread})  goal {goal}: {verdict}")


if __name__ == "__main__":
    main()
