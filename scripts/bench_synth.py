"""Measures the time and memory that bypassing the binding's `__init__` saves: `make bench-synth`.

    python scripts/bench_synth.py [--pairs N] [--limit RATIO]

Synthesizes every stack with `main.py` as it is ("bare"), and with the same `main.py` after a plain
`import cdktf_cdktf_provider_aws` ("plain"), in turns (bare, plain, plain, bare, …), so that a machine that
slows down affects both alike. Fails if the two do not write the same bytes, or if the median of the pairs'
ratios is above the limit.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.35

BARE = """
import atexit, pathlib, resource, runpy, sys
memory = pathlib.Path(sys.argv[1])
atexit.register(lambda: memory.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)))
runpy.run_path("main.py", run_name="__main__")
"""
PLAIN = f"import cdktf_cdktf_provider_aws{BARE}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One synthesis; `memory_mb` is the peak memory of Python, without jsii's Node."""

    seconds: float
    memory_mb: float
    digest: str


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="how often to run both (default: 5)")
    parser.add_argument(
        "--limit", type=float, help="fail if the median ratio is higher (default: only report it)"
    )
    arguments = parser.parse_args()
    environment = {**os.environ, "JSII_NODE": node()}
    _print("warming up: one run each")
    bare, plain = (synthesize(program, environment) for program in (BARE, PLAIN))
    if bare.digest != plain.digest:
        sys.exit("the two syntheses differ, so their times cannot be compared")
    pairs = [pair(number, environment) for number in range(1, arguments.pairs + 1)]
    if {run.digest for runs in pairs for run in runs} != {bare.digest}:
        sys.exit("two syntheses of the same stacks differ")
    ratio = report(pairs)
    if arguments.limit is not None and ratio > arguments.limit:
        sys.exit(f"the median ratio is {ratio:.2f}; at most {arguments.limit:.2f} is accepted")


def node() -> str:
    """Return the Node that both use; a plain import starts Node before `stacks` can choose one."""
    code = "from stacks.provider_binding import bundled_node as node; print(node() or 'node')"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return run.stdout.strip()


def synthesize(program: str, environment: dict[str, str]) -> Run:
    """Run a program that synthesizes, in the project's folder."""
    with tempfile.TemporaryDirectory() as directory:
        output, memory = Path(directory) / "cdktf.out", Path(directory) / "memory"
        started = monotonic()
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program, str(memory)],
            cwd=ROOT,
            env={**environment, "CDKTF_OUTDIR": str(output)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = monotonic() - started
        if run.returncode:
            sys.exit(f"synthesis failed:\n{run.stdout}")
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return Run(seconds=seconds, memory_mb=int(memory.read_text()) / unit, digest=digest(output))


def digest(directory: Path) -> str:
    """Return a hash of every file's name and bytes."""
    whole = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(directory)}\0{path.stat().st_size}\0".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def pair(number: int, environment: dict[str, str]) -> tuple[Run, Run]:
    """Run both, in alternating order, and return the bare and the plain one."""
    if number % 2:
        bare, plain = synthesize(BARE, environment), synthesize(PLAIN, environment)
    else:
        plain, bare = synthesize(PLAIN, environment), synthesize(BARE, environment)
    _print(
        f"pair {number}: bare {bare.seconds:6.2f} s, plain {plain.seconds:6.2f} s, "
        f"ratio {bare.seconds / plain.seconds:.3f}"
    )
    return bare, plain


def report(pairs: Sequence[tuple[Run, Run]]) -> float:
    """Print medians and ranges, and return the median of the pairs' ratios."""
    ratios = [bare.seconds / plain.seconds for bare, plain in pairs]
    for name, runs in (("bare", [bare for bare, _ in pairs]), ("plain", [plain for _, plain in pairs])):
        seconds = median_and_range([run.seconds for run in runs], "{:.2f}".format)
        _print(f"{name:5}: {seconds} s; Python's memory {median(run.memory_mb for run in runs):.0f} MB")
    _print(
        f"ratio: {median_and_range(ratios, '{:.3f}'.format)}; goal: at most {GOAL}; same bytes in every run"
    )
    return median(ratios)


def median_and_range(values: Sequence[float], text: Callable[[float], str]) -> str:
    """Return the median with the minimum and the maximum."""
    return f"{text(median(values))} ({text(min(values))} to {text(max(values))})"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
