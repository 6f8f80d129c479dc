"""A flame graph of large batches, by py-spy: `make profile`.

    python -m benchmarks.profile [--size 10000]

Writes .local/benchmarks/profile.svg. Where py-spy may not look into another process, which needs a right on
some systems, it prints cProfile's table instead.
"""

import argparse
import cProfile
import os
import pstats
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.children import ROOT
from benchmarks.engines import make_engine
from benchmarks.feeds import Feed
from benchmarks.measure import say
from benchmarks.servers import BenchmarkServers, start_benchmark_servers
from benchmarks.worker import Worker
from local.servers.isolation import stay_on_this_machine

_OUTPUT = ROOT / ".local" / "benchmarks" / "profile.svg"
_BATCHES = 20
_RATE = 500
_LINES = 40
_ATTACH_SECONDS = 2.0


def main() -> None:
    """Profile with what works here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Profile batches.")
    parser.add_argument("--size", type=int, default=10_000, help="records in a batch (default: 10000)")
    size = parser.parse_args().size
    stay_on_this_machine(os.environ)
    with start_benchmark_servers() as servers:
        servers.new_database("profile")
        if not _flame_graph(servers, size):
            _table(servers, size)


def _flame_graph(servers: BenchmarkServers, size: int) -> bool:
    """Write the graph; return whether py-spy could."""
    program = shutil.which("py-spy") or ROOT / ".local" / "benchmarks" / "venv" / "bin" / "py-spy"
    if not Path(program).exists():
        return False
    _OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    _OUTPUT.unlink(missing_ok=True)
    feed = Feed("week")
    with Worker("ours", servers.addresses("profile")) as worker:
        worker.run(feed, [(0, size)])
        worker.prepare(feed, [(number * size, size) for number in range(1, _BATCHES + 1)])
        options = ["--pid", str(worker.pid), "--rate", str(_RATE), "--threads", "--output", str(_OUTPUT)]
        spy = subprocess.Popen([str(program), "record", *options], stdout=subprocess.DEVNULL)
        time.sleep(_ATTACH_SECONDS)
        if spy.poll() is None:
            worker.start()
            worker.finish()
    spy.wait()
    if spy.returncode == 0 and _OUTPUT.exists():
        say(f"{_OUTPUT.relative_to(ROOT)}: {_BATCHES} batches of {size}")
        return True
    say("py-spy may not look into another process here; cProfile instead, which slows calls")
    return False


def _table(servers: BenchmarkServers, size: int) -> None:
    feed = Feed("week")
    engine = make_engine("ours")
    engine.open(servers.addresses("profile"))
    output = sys.stdout
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        try:
            engine.run(feed.event(0, size))
            events = [feed.event(number * size, size) for number in range(1, 4)]
            profile = cProfile.Profile()
            profile.enable()
            for event in events:
                engine.run(event)
            profile.disable()
        finally:
            sys.stdout = output
    pstats.Stats(profile).sort_stats("tottime").print_stats(_LINES)


if __name__ == "__main__":
    main()
