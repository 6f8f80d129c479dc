"""How often a warm batch waits: the round trips one after another on its longest path, and what each is.

Every service is a tenth of a second away, which is longer than anything that the batch does itself. So what
it sends falls into turns: at once, after one answer, after the answer to that, and so on.
"""

import base64
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.feeds import Feed
from benchmarks.measure import ratio_of, say
from benchmarks.servers import BenchmarkServers, Latency
from benchmarks.worker import Worker

_ROUND_TRIP_MS = 100.0
_BATCH = 100
_WARM_UP = 2
_POSTGRES = {"P": "Parse", "B": "Bind", "Q": "Query", "D": "Describe", "E": "Execute", "S": "Sync"}


def blocking_turns(servers: BenchmarkServers, *, quick: bool) -> dict[str, Any]:
    """Count the turns of warm batches, and describe those of the last one."""
    away = Latency(name="turns", postgres_ms=_ROUND_TRIP_MS, redis_ms=_ROUND_TRIP_MS, s3_ms=_ROUND_TRIP_MS)
    servers.new_database("turns")
    counts = []
    turns: list[list[str]] = []
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        with servers.delayed(away, log) as delayed, Worker("ours", delayed.addresses("turns")) as worker:
            worker.run(Feed("week"), [(number * _BATCH, _BATCH) for number in range(_WARM_UP)])
            for number in range(_WARM_UP, _WARM_UP + (1 if quick else 3)):
                before = len(log.read_text().splitlines())
                worker.run(Feed("week"), [(number * _BATCH, _BATCH)])
                lines = log.read_text().splitlines()[before:]
                turns = turns_of(map(json.loads, lines), _ROUND_TRIP_MS / 1000)
                counts.append(float(len(turns)))
    for number, sent in enumerate(turns, 1):
        say(f"turn {number}: {'; '.join(sent)}")
    return {"ratios": {"blocking_turns": asdict(ratio_of(counts))}, "turns": turns}


def turns_of(lines: Iterable[Mapping[str, Any]], round_trip_seconds: float) -> list[list[str]]:
    """Return what the client sent in each turn, from the log of the delay proxy."""
    sent: dict[int, list[str]] = defaultdict(list)
    first: float | None = None
    for line in lines:
        if line["from_client"]:
            first = line["at"] if first is None else first
            turn = round((line["at"] - first) / round_trip_seconds)
            what = describe(line["target"], base64.b64decode(line["data"]))
            if what not in sent[turn]:
                sent[turn].append(what)
    return [sent[turn] for turn in sorted(sent)]


def describe(target: int, data: bytes) -> str:
    """Return in words what was sent: to PostgreSQL (0), Redis (1) or S3 (2)."""
    if target == 0:
        return f"PostgreSQL: {_POSTGRES.get(chr(data[0]), 'more of it')}"
    if target == 1:
        words = data.split(b"\r\n")
        return f"Redis: {words[2].decode()}" if words[0].startswith(b"*") else "Redis: more of it"
    request, _, headers = data.partition(b"\r\n")
    if not request.endswith(b"HTTP/1.1"):
        return "S3: the body"
    waits = ", which waits for 100 Continue" if b"100-continue" in headers.lower() else ""
    return f"S3: {request.split(b' ')[0].decode()}{waits}"
