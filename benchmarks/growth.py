"""How our cost grows: with concurrent processes, with few hot products, and with the table."""

from contextlib import ExitStack
from dataclasses import asdict
from time import perf_counter
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import Ratio, load, order, ratio_of, say
from benchmarks.peers import fill_week
from benchmarks.servers import REGION, BenchmarkServers
from benchmarks.worker import Worker

_CONTAINERS = (1, 2, 4, 10)
_BATCH = 100
_FIRST = 30_000
_TABLES = (10_000, 100_000, 1_000_000)
# As wide as the processor's versions, and older.
_FILL = """
INSERT INTO products (product_id, inventory, inventory_version, price, price_version, last_updated)
SELECT 'P' || lpad(number::text, 8, '0'), 1, version, 1, version, '2025-01-01'
FROM generate_series(0, {} - 1) AS number,
    (SELECT '2025-01-01T00:00:00.000000Z 56:' || repeat('4', 56) || ' 0 shardId-000000000000 0' AS version)
"""


def containers(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Run 1 to 10 processes at the same time, on the week and where all records are of 50 products."""
    filled = fill_week(servers)
    ratios: dict[str, Ratio] = {}
    rows = []
    with servers.delayed(REGION) as region:
        for feed, ending in (("week", ""), ("even:50", "_hot")):
            database = f"containers{ending}"
            servers.new_database(database, copy_of=filled)
            with ExitStack() as stack:
                workers = [
                    stack.enter_context(Worker("ours", region.addresses(database)))
                    for _ in range(max(_CONTAINERS))
                ]
                speeds, failed = _speeds(workers, feed, rounds=2 if quick else 5, batches=8 if quick else 20)
            over_one = {
                count: ratio_of([one / alone for one, alone in zip(speeds[count], speeds[1], strict=True)])
                for count in _CONTAINERS
            }
            ratios[f"containers_10_over_1{ending}"] = over_one[10]
            rows += [
                {"feed": feed, "containers": count, "over_one": asdict(ratio), "failed": failed}
                for count, ratio in over_one.items()
            ]
            say(f"containers, {feed}: " + ", ".join(f"{n} → {r.median:.2f}" for n, r in over_one.items()))
    deadlocks = int(servers.fetch_value("postgres", "SELECT sum(deadlocks) FROM pg_stat_database"))
    return {
        "ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
        "containers": rows,
        "deadlocks": deadlocks,
    }


def _speeds(
    workers: list[Worker], feed: str, *, rounds: int, batches: int
) -> tuple[dict[int, list[float]], int]:
    """Return records a second by the number of processes, round by round, and the records that failed."""
    position, failed = _FIRST, 0
    speeds: dict[int, list[float]] = {count: [] for count in _CONTAINERS}
    for number in range(-1, rounds):
        for name in order([str(count) for count in _CONTAINERS], number):
            count = int(name)
            for shard, worker in enumerate(workers[:count]):
                # In turns, so that all of them are at the same time of the feed.
                own = [position + (batch * count + shard) * _BATCH for batch in range(batches)]
                worker.prepare(Feed(feed, shard), [(first, _BATCH) for first in own])
            position += batches * count * _BATCH
            started = perf_counter()
            for worker in workers[:count]:
                worker.start()
            runs = [run for worker in workers[:count] for run in worker.finish()]
            seconds = perf_counter() - started
            failed += sum(run.records - run.done for run in runs)
            if number >= 0:
                speeds[count].append(sum(run.done for run in runs) / seconds)
    return speeds, failed


def table(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Run batches of 1,000 on tables of 10,000 to a million rows, each product as likely."""
    tables = _TABLES[:2] if quick else _TABLES
    with ExitStack() as stack:
        workers = {}
        for rows in tables:
            database = f"rows_{rows}"
            servers.new_database(database)
            servers.execute(database, _FILL.format(rows), "VACUUM ANALYZE products")
            workers[database] = stack.enter_context(Worker("ours", servers.addresses(database)))
        servers.execute("postgres", "CHECKPOINT")
        runs: dict[str, list[float]] = {name: [] for name in workers}
        for number in range(-1, 8 if quick else 40):
            for name in order(list(workers), number):
                feed = Feed(f"even:{name.removeprefix('rows_')}")
                (run,) = workers[name].run(feed, [((number + 1) * 1_000, 1_000)])
                if number >= 0:
                    runs[name].append(run.wall_seconds)
    smallest = runs[f"rows_{tables[0]}"]
    over = {
        name: ratio_of([one / least for one, least in zip(seconds, smallest, strict=True)])
        for name, seconds in runs.items()
    }
    say(f"table, load {load()}: " + ", ".join(f"{name} {ratio.median:.2f}" for name, ratio in over.items()))
    ratios = {} if quick else {"million_over_ten_thousand_rows": asdict(over["rows_1000000"])}
    return {
        "ratios": ratios,
        "tables": [{"rows": rows, "over_least": asdict(over[f"rows_{rows}"])} for rows in tables],
    }
