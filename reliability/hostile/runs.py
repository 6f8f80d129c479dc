"""Many hostile events in a few processes: figures, and each problem with the smallest record that has it."""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from reliability.hostile.drawing import draw
from reliability.hostile.judging import Judged, judge_event, problems_of

_PER_TASK = 2_000
_MOST_FINDINGS = 20
_TRIES = 2_000
_SHOWN = 600
_ALIKE = 12


@dataclass(slots=True)
class Figures:
    """Figures of all events so far; `findings`: a text for each event with a problem, the first ones."""

    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    problems: int = 0
    findings: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Add another's."""
        self.events += other.events
        self.kinds += other.kinds
        self.outcomes += other.outcomes
        self.slowest = max(self.slowest, other.slowest)
        self.problems += other.problems
        self.findings = (self.findings + other.findings)[:_MOST_FINDINGS]


def run_all(seed: int, events: int, jobs: int) -> Iterator[Figures]:
    """Judge so many drawn events; yield all figures so far, now and then."""
    figures = Figures()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[Figures]] = set()
        for start in range(0, events, _PER_TASK):
            waiting.add(pool.submit(run_some, seed, start, min(start + _PER_TASK, events)))
            if len(waiting) >= 2 * jobs:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    figures.add(one.result())
                yield figures
        for one in waiting:
            figures.add(one.result())
            yield figures


def run_some(seed: int, start: int, stop: int) -> Figures:
    """Judge the events of these numbers in this process."""
    figures, judged = Figures(), Judged()
    for number in range(start, stop):
        kind, event = draw(seed, number)
        figures.events += 1
        figures.kinds[kind] += 1
        judge_event(event, judged)
        if judged.problems:
            figures.problems += 1
            problem, judged.problems = judged.problems[0], []
            if len(figures.findings) < _MOST_FINDINGS:
                found = f"seed {seed}, number {number}, {kind}: {problem[:_SHOWN]}"
                figures.findings.append(f"{found}\n  {_shown(event, problem)}")
    figures.outcomes, figures.slowest = judged.outcomes, judged.slowest
    return figures


def _shown(event: dict[str, Any], problem: str) -> str:
    """Return the smallest event found with a problem that begins alike."""

    def is_wrong(candidate: dict[str, Any]) -> bool:
        return any(one[:_ALIKE] == problem[:_ALIKE] for one in problems_of(candidate))

    return json.dumps(smaller(event, is_wrong), default=repr)[:_SHOWN]


def smaller(event: dict[str, Any], is_wrong: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the event with as little data in its records as it takes to be wrong."""
    event = deepcopy(event)
    listed = event.get("Records")
    for record in listed if isinstance(listed, list) else ():
        try:
            kinesis, data = record["kinesis"], base64.b64decode(record["kinesis"]["data"], validate=True)
        except (TypeError, KeyError, ValueError):
            continue
        size, begin = len(data), 0
        for _ in range(_TRIES):
            if begin >= len(data):
                size, begin = size // 2, 0
            if not size:
                break
            shorter = data[:begin] + data[begin + size :]
            kinesis["data"] = base64.b64encode(shorter).decode()
            if is_wrong(event):
                data = shorter
            else:
                begin += size
        kinesis["data"] = base64.b64encode(data).decode()
    return event
