"""Ours beside what a user would otherwise pick, and beside the same work in bulk without guarantees."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import Ratio, Rounds, cpu, in_turns, load, say, wall
from benchmarks.servers import LOOPBACK, REGION, BenchmarkServers, Latency
from benchmarks.tables import compare_tables
from benchmarks.worker import Worker

_WEEK_FILLED = "week_filled"
WEEK_RECORDS = 30_000
# In order and without duplicates, as in a benchmark, the bulk way ends with the same values of what every
# update mentions. A price is lost if a later update of the batch has none.
WHAT_BULK_WRITES = "product_id, inventory, last_updated"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which batches to run: `rounds[size][engine]`."""

    latency: Latency
    feed: str
    rounds: Mapping[int, Mapping[str, int]]


_FULL = (
    Plan(
        latency=REGION,
        feed="week",
        rounds={
            100: {
                "ours": 21,
                "bulk": 21,
                "bulk_defaults": 9,
                "powertools": 15,
                "reused_connections": 2,
                "reference": 3,
            },
            500: {
                "ours": 15,
                "bulk": 15,
                "bulk_defaults": 7,
                "powertools": 9,
                "reused_connections": 1,
                "reference": 2,
            },
            1_000: {"ours": 13, "bulk": 13, "bulk_defaults": 7, "powertools": 7},
            10_000: {"ours": 11, "bulk": 11, "bulk_defaults": 7, "powertools": 3},
        },
    ),
    Plan(
        latency=REGION,
        feed="hot:100000",
        rounds={size: {"ours": 9, "bulk": 9} for size in (100, 1_000, 10_000)},
    ),
    Plan(
        latency=LOOPBACK,
        feed="week",
        rounds={
            100: {"ours": 15, "bulk": 15, "powertools": 7, "reused_connections": 3, "reference": 3},
            500: {"ours": 11, "bulk": 11, "powertools": 5},
            1_000: {"ours": 11, "bulk": 11, "powertools": 3},
            10_000: {"ours": 9, "bulk": 9, "powertools": 2},
        },
    ),
)
_QUICK = (
    Plan(
        latency=REGION,
        feed="week",
        rounds={
            100: {"ours": 9, "bulk": 9, "powertools": 5, "reference": 1},
            1_000: {"ours": 5, "bulk": 5, "powertools": 2},
            10_000: {"ours": 5, "bulk": 5, "powertools": 1},
        },
    ),
)


def compare(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Run every plan; return the ratios of the goals, and a row for each plan, size and engine."""
    fill_week(servers)
    ratios: dict[str, Ratio] = {}
    rows: list[dict[str, Any]] = []
    for plan in _QUICK if quick else _FULL:
        for rounds in _run(servers, plan):
            rows += _rows(plan, rounds)
            if plan.latency is REGION and plan.feed == "week":
                ratios |= _goals(rounds)
    return {"ratios": {name: asdict(ratio) for name, ratio in ratios.items()}, "peers": rows}


def fill_week(servers: BenchmarkServers) -> str:
    """Make a database in which every product of the week is; return its name."""
    servers.new_database(_WEEK_FILLED)
    with Worker("ours", servers.addresses(_WEEK_FILLED)) as worker:
        worker.run(Feed("week"), [(first, 10_000) for first in range(0, WEEK_RECORDS, 10_000)])
    servers.execute(_WEEK_FILLED, "VACUUM ANALYZE products")
    return _WEEK_FILLED


def _run(servers: BenchmarkServers, plan: Plan) -> list[Rounds]:
    engines = list(next(iter(plan.rounds.values())))
    measured = []
    with ExitStack() as stack:
        delayed = stack.enter_context(servers.delayed(plan.latency)) if plan.latency is REGION else servers
        workers = {}
        for engine in engines:
            servers.new_database(engine, copy_of=_WEEK_FILLED)
            workers[engine] = stack.enter_context(Worker(engine, delayed.addresses(engine)))
        position = WEEK_RECORDS
        for size, rounds in plan.rounds.items():
            before = load()
            result = in_turns(workers, Feed(plan.feed), first=position, size=size, rounds=rounds)
            position += size * (max(rounds.values()) + 1)
            measured.append(result)
            say(_line(plan, result, before))
        compare_tables(servers, ["bulk"], ours="ours", columns=WHAT_BULK_WRITES)
    return measured


def _line(plan: Plan, rounds: Rounds, load_before: float) -> str:
    shown = ", ".join(
        f"{engine} {rounds.ratio(engine, 'ours', wall).median:.2f}"
        for engine in rounds.runs
        if engine != "ours"
    )
    cost = rounds.ratio("ours", "bulk", cpu).median
    return (
        f"{plan.latency.name:8} {plan.feed:10} {rounds.size:6}: time over ours: {shown}; "
        f"our CPU over bulk's {cost:.2f}; load {load_before} to {load()}"
    )


def _rows(plan: Plan, rounds: Rounds) -> list[dict[str, Any]]:
    return [
        {
            "mode": plan.latency.name,
            "feed": plan.feed,
            "size": rounds.size,
            "engine": engine,
            "time_over_bulk": asdict(rounds.ratio(engine, "bulk", wall)),
            "cpu_over_bulk": asdict(rounds.ratio(engine, "bulk", cpu)),
            "failed": rounds.failed(engine),
            "load": load(),
            # For the dollars; not to be compared with another run's.
            "wall_ms": _middle([run.wall_seconds for run in runs]),
            "cpu_ms": _middle([run.cpu_seconds for run in runs]),
        }
        for engine, runs in rounds.runs.items()
    ]


def _middle(seconds: list[float]) -> float:
    return round(sorted(seconds)[len(seconds) // 2] * 1000, 2)


def _goals(rounds: Rounds) -> dict[str, Ratio]:
    size = rounds.size
    found = {f"guarantees_cost_{size}": rounds.ratio("ours", "bulk", wall)}
    if "powertools" in rounds.runs:
        found[f"powertools_{size}"] = rounds.ratio("powertools", "ours", wall)
    if "reference" in rounds.runs:
        found[f"reference_{size}"] = rounds.ratio("reference", "ours", wall)
    if size == 10_000:
        found["client_cpu_over_bulk_10000"] = rounds.ratio("ours", "bulk", cpu)
    return found
