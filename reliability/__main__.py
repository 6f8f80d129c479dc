"""`python -m reliability`: run histories, simulated or real; judge hostile records; try defects."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from reliability.defects.deliberate import DEFECTS
from reliability.defects.trial import TrialError, copy_tree, try_all
from reliability.hostile import runs as hostile_runs
from reliability.runs import REAL, SIMULATED, Figures, run_all

_PROGRESS_SECONDS = 5.0
_ENDLESS = 10**9


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if any invariant was broken, or a defect survived."""
    parser = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, world, histories, jobs, what in (
        ("simulate", SIMULATED, 1000, 2, "run drawn histories in the simulated world"),
        # They mostly wait.
        ("faults", REAL, 100, 4, "run drawn histories on real servers that fail"),
    ):
        runs = commands.add_parser(name, help=what)
        runs.add_argument("--seed", type=_count, default=1, help="of the first history; the others follow")
        runs.add_argument("--histories", type=_count, default=histories)
        runs.add_argument("--minutes", type=_count, help="so long, and as many histories as that takes")
        runs.add_argument("--jobs", type=_count, default=jobs, help="processes")
        runs.set_defaults(run=_run_histories, world=world)
    defects = commands.add_parser("defects", help="put deliberate defects into a copy; each must be caught")
    defects.add_argument("--only", default="", metavar="NAME", help="those whose names hold this")
    defects.add_argument("--suite", choices=("simulate", "unit", "database"), help="those that it catches")
    defects.set_defaults(run=_try_defects)
    outage = commands.add_parser(
        "outage", help="take a real server away under load, and measure what follows"
    )
    outage.add_argument("kind", choices=("redis", "postgres", "password"))
    outage.add_argument("--seconds", type=_count, default=30)
    outage.add_argument("--pictures", type=Path, default=Path(".local"), help="directory for the timeline")
    outage.set_defaults(run=_run_outage)
    soak = commands.add_parser("soak", help="run under load while faults come and go: does anything grow?")
    soak.add_argument("--minutes", type=_count, default=60)
    soak.add_argument("--seed", type=_count, default=1)
    soak.add_argument("--pictures", type=Path, default=Path(".local"), help="directory for the timeline")
    soak.set_defaults(run=_run_soak)
    hostile = commands.add_parser("hostile", help="judge what the processor makes of drawn hostile records")
    hostile.add_argument("--seed", type=_count, default=1)
    hostile.add_argument("--records", type=_count, default=100_000)
    hostile.add_argument("--jobs", type=_count, default=2, help="processes")
    hostile.set_defaults(run=_judge_hostile)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


def _run_histories(chosen: argparse.Namespace) -> int:
    began = shown = time.monotonic()
    figures = Figures()
    histories = _ENDLESS if chosen.minutes else chosen.histories
    for figures in run_all(chosen.seed, histories, chosen.jobs, chosen.world):
        while figures.failures:
            _print_failure(figures)
        if time.monotonic() - shown >= _PROGRESS_SECONDS:
            shown = time.monotonic()
            print(f"{figures.histories:,} histories, {figures.violations} violations", file=sys.stderr)
        if chosen.minutes and time.monotonic() - began >= 60 * chosen.minutes:
            break
    seconds = time.monotonic() - began
    for kind, count in sorted(figures.faults.items()):
        print(f"{count:9,}  {kind}")
    print(
        f"{figures.histories:,} histories from seed {chosen.seed}, {figures.records:,} records, "
        f"{figures.faults.total():,} faults of {len(figures.faults)} kinds, "
        f"longest recovery {figures.longest_recovery_seconds:.0f} s, {figures.violations} violations; "
        f"trace {figures.trace_hash}, {60 * figures.histories / seconds:,.0f} histories a minute"
    )
    return 1 if figures.violations else 0


def _run_outage(chosen: argparse.Namespace) -> int:
    from reliability.real import outage

    return 0 if outage.run(chosen.kind, chosen.seconds, chosen.pictures) else 1


def _run_soak(chosen: argparse.Namespace) -> int:
    from reliability.real import soak

    return 0 if soak.run(chosen.minutes, chosen.seed, chosen.pictures) else 1


def _try_defects(chosen: argparse.Namespace) -> int:
    defects = [one for one in DEFECTS if chosen.only in one.name and chosen.suite in (None, one.suite)]
    if not defects:
        print(f"no defect of this suite has a name with {chosen.only!r}", file=sys.stderr)
        return 2
    survivors = 0
    with tempfile.TemporaryDirectory() as directory:
        try:
            for verdict in try_all(defects, copy_tree(Path(directory))):
                survivors += not verdict.is_caught
                print(verdict, flush=True)
        except (TrialError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
    print(f"{len(defects) - survivors} of {len(defects)} defects are caught")
    return min(survivors, 1)


def _judge_hostile(chosen: argparse.Namespace) -> int:
    began = shown = time.monotonic()
    figures = hostile_runs.Figures()
    for figures in hostile_runs.run_all(chosen.seed, chosen.records, chosen.jobs):
        if time.monotonic() - shown >= _PROGRESS_SECONDS:
            shown = time.monotonic()
            print(f"{figures.events:,} events, {figures.problems} problems", file=sys.stderr)
    seconds = time.monotonic() - began
    for counts in (figures.kinds, figures.outcomes):
        for name, count in sorted(counts.items()):
            print(f"{count:11,}  {name}")
    print(*figures.findings, sep="\n", end="\n" if figures.findings else "")
    slowest, what = figures.slowest
    print(
        f"{figures.events:,} events of {len(figures.kinds)} kinds from seed {chosen.seed}, "
        f"{figures.outcomes.total():,} verdicts of {len(figures.outcomes)} kinds, "
        f"at most {slowest * 1000:.1f} ms of CPU time (to {what}), {figures.problems} problems; "
        f"{60 * figures.events / seconds:,.0f} events a minute"
    )
    return 1 if figures.problems else 0


def _print_failure(figures: Figures) -> None:
    failure = figures.failures.pop()
    print(f"seed {failure.seed} breaks an invariant. The smallest history that does:")
    print(failure.history)
    print("What happened before:", *failure.trace, sep="\n  ")
    for violation in failure.violations:
        print(f"{violation.invariant} at {violation.at:.3f} s: {violation.what}")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number from 1 on is accepted")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
