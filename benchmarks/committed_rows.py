"""Rows committed a second: our upsert beside other ways to write the same rows, and beside the limits.

Every engine gets the same changes, which were prepared before (`benchmarks/rows.py`), and writes them to a
table that holds nearly all of the products. At the end the tables are compared: an engine whose semantics are
ours must have the same rows.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import Ratio, Rounds, in_turns, load, say, wall
from benchmarks.servers import LOOPBACK, REGION, BenchmarkServers, Latency
from benchmarks.tables import compare_tables
from benchmarks.worker import Worker

OURS = "catalog_upsert"
_FILLED = "even_filled"
_FEED = Feed("even:40000")
_FILLING = 10
_CHUNK = 10_000
# Left out where it has to be quick: latencies, and engines that take long to start or to write.
_NOT_QUICK = ("0.1 ms", "12 ms", "dlt", "dlt_csv", "values_1024_blind")
# What they write is what the fold says, whatever the order of the chunks.
_SAME_ROWS = (OURS, "copy_merge", "executemany", "unnest_1024")


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """`rounds`: of each engine; `names`: what their ratios to ours are called, if they are goals."""

    latency: Latency
    rounds: dict[str, int]
    names: dict[str, str]


def _at(milliseconds: float) -> Latency:
    return Latency(name=f"{milliseconds:g} ms", postgres_ms=milliseconds, redis_ms=0.0, s3_ms=0.0)


def _plans(rounds: int) -> list[_Plan]:
    many, few = rounds, max(3, rounds // 3)
    peers = {OURS: many, "copy_merge": many, "executemany": many, "dlt": few, "dlt_csv": few}
    sinks = {OURS: many, "unnest_1024": many, "unnest_1024_blind": many, "values_1024_blind": few}
    limits = {"limit_copy": many, "limit_bare_unnest": many, "limit_bare_texts": many, "limit_decode": many}
    return [
        _Plan(
            latency=REGION, rounds=peers, names={name: name for name in ("copy_merge", "executemany", "dlt")}
        ),
        *(
            _Plan(latency=_at(ms), rounds=sinks, names={"unnest_1024": f"unnest_1024_at_{ms:g}_ms"})
            for ms in (0.1, 2.5, 12.0)
        ),
        _Plan(
            latency=LOOPBACK,
            rounds={OURS: many, "copy_merge": many, "executemany": many, **limits},
            names={"limit_bare_unnest": "upsert_over_bare_unnest"},
        ),
    ]


def compare(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Run every plan; return the ratios of the goals, and a row for each plan and engine."""
    _fill(servers)
    ratios: dict[str, Ratio] = {}
    lines: list[dict[str, Any]] = []
    for plan in _plans(5 if quick else 15):
        if quick and plan.latency.name in _NOT_QUICK:
            continue
        before = load()
        rounds = _run(servers, plan, leave_out=_NOT_QUICK if quick else ())
        for engine, name in plan.names.items():
            if engine not in rounds.runs:
                continue
            limit = engine.startswith("limit_")
            ratios[name] = rounds.ratio(*((OURS, engine) if limit else (engine, OURS)), wall)
        lines += _lines(plan, rounds)
        shown = ", ".join(f"{engine} {rounds.ratio(engine, OURS, wall).median:.2f}" for engine in rounds.runs)
        say(f"{plan.latency.name:8} rows: time over our upsert's: {shown}; load {before} to {load()}")
    return {
        "ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
        "committed_rows": lines,
    }


def _fill(servers: BenchmarkServers) -> None:
    servers.new_database(_FILLED)
    with Worker(OURS, servers.addresses(_FILLED)) as worker:
        worker.run(_FEED, [(number * _CHUNK, _CHUNK) for number in range(_FILLING)])
    servers.execute(_FILLED, "VACUUM ANALYZE products")


def _run(servers: BenchmarkServers, plan: _Plan, *, leave_out: Sequence[str]) -> Rounds:
    wanted = {engine: many for engine, many in plan.rounds.items() if engine not in leave_out}
    with ExitStack() as stack:
        delayed = servers if plan.latency is LOOPBACK else stack.enter_context(servers.delayed(plan.latency))
        workers = {}
        for engine in wanted:
            servers.new_database(engine, copy_of=_FILLED)
            workers[engine] = stack.enter_context(Worker(engine, delayed.addresses(engine)))
        rounds = in_turns(workers, _FEED, first=_FILLING * _CHUNK, size=_CHUNK, rounds=wanted)
    compare_tables(servers, [engine for engine in wanted if engine in _SAME_ROWS], ours=OURS)
    return rounds


def _lines(plan: _Plan, rounds: Rounds) -> list[dict[str, Any]]:
    return [
        {
            "mode": plan.latency.name,
            "engine": engine,
            "time_over_ours": asdict(rounds.ratio(engine, OURS, wall)),
            "load": load(),
            # Not to be compared with another run's; of dlt's CPU time only what our process takes.
            "rows_per_second": round(_middle([run.done / run.wall_seconds for run in runs])),
            "cpu_us_per_row": round(_middle([run.cpu_seconds / run.done * 1e6 for run in runs]), 2),
        }
        for engine, runs in rounds.runs.items()
    ]


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
