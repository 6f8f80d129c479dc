"""What an execution environment costs before it is warm, and how much memory a large batch takes."""

import sys
from dataclasses import asdict
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import order, ratio_of, say
from benchmarks.servers import REGION, BenchmarkServers
from benchmarks.worker import Worker

_MB = 1024 * 1024


def first_batch(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Compare new processes: imports, connections and 100 records; ours and the bulk way."""
    seconds: dict[str, list[float]] = {"ours": [], "plain_build": []}
    with servers.delayed(REGION) as region:
        for name in seconds:
            servers.new_database(name)
        # The first of each may read its modules from the disk.
        for number in range(-1, 3 if quick else 9):
            for name in order(list(seconds), number):
                first = (Feed("week"), (number + 1) * 100, 100)
                with Worker(name, region.addresses(name), first=first) as worker:
                    if number >= 0:
                        seconds[name].append(worker.first_batch)
    ratio = ratio_of([ours / plain for ours, plain in zip(*seconds.values(), strict=True)])
    say(f"first batch: {ratio.median:.2f} of the plain build's time")
    return {"ratios": {"first_batch": asdict(ratio)}}


def memory(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Measure the most memory that a new process takes for its first batch of 10,000, over idle."""
    if sys.platform != "linux":
        say("memory: not measured, since only Linux tells the peak of a period")
        return {"ratios": {}}
    megabytes = []
    for _ in range(1 if quick else 3):
        servers.new_database("memory")
        first = (Feed("week"), 0, 2)
        with Worker("ours", servers.addresses("memory"), first=first) as worker:
            megabytes.append(worker.peak_memory_bytes(Feed("week"), 2, 10_000) / _MB)
    ratio = ratio_of(megabytes)
    say(f"memory of a batch of 10,000: {ratio.median:.0f} MB over idle")
    return {"ratios": {"memory_mb": asdict(ratio)}}
