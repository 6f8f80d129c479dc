"""A process that runs one engine, so that its CPU time, memory and settings are its own.

    python -m benchmarks.worker <engine>

Reads one JSON request a line and writes one JSON answer a line; whatever the engine prints is dropped.
"""

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import IO, Any, Self

from benchmarks.children import Child
from benchmarks.engine import Addresses, Engine
from benchmarks.engines import make_engine
from benchmarks.feeds import Feed


@dataclass(frozen=True, slots=True)
class Run:
    """One batch: how long it took, the CPU time of the engine's process, and how many records are durable."""

    wall_seconds: float
    cpu_seconds: float
    records: int
    done: int


class Worker:
    """An engine in its process, seen from ours.

    `first_batch`: the seconds for importing the engine, opening it and processing the first batch.
    """

    def __init__(
        self, engine: str, addresses: Addresses, *, first: tuple[Feed, int, int] | None = None
    ) -> None:
        self.engine = engine
        self.first_batch = 0.0
        self._child = Child("benchmarks.worker", [engine])
        try:
            self._open(addresses, first)
        except BaseException:
            self._child.close()
            raise

    def _open(self, addresses: Addresses, first: tuple[Feed, int, int] | None) -> None:
        if first is not None:
            feed, position, count = first
            self._ask({"do": "make event", "feed": asdict(feed), "first": position, "count": count})
        seconds = self._ask({"do": "open", "addresses": addresses.as_json()})
        if first is not None:
            self.first_batch = seconds

    @property
    def pid(self) -> int:
        """The engine's process."""
        return self._child.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self, feed: Feed, batches: list[tuple[int, int]]) -> None:
        """Make the events of batches, each by its first position and size, for the next `start`."""
        self._ask({"do": "prepare", "feed": asdict(feed), "batches": batches})

    def start(self) -> None:
        """Start the prepared batches, one after another."""
        self._child.send(json.dumps({"do": "run"}))

    def finish(self) -> list[Run]:
        """Wait for what `start` started."""
        return [Run(**run) for run in json.loads(self._child.receive())]

    def run(self, feed: Feed, batches: list[tuple[int, int]]) -> list[Run]:
        """Run batches and return what each took."""
        self.prepare(feed, batches)
        self.start()
        return self.finish()

    def peak_memory_bytes(self, feed: Feed, first: int, count: int) -> int:
        """Run a batch and return how much memory it took at most, without its event."""
        self.prepare(feed, [(first, count)])
        return int(self._ask({"do": "run for memory"}))

    def close(self) -> None:
        """End the engine and its process."""
        try:
            self._ask({"do": "close"})
        finally:
            self._child.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        self._child.send(json.dumps(request))
        return json.loads(self._child.receive())


class _Service:
    """The worker's side of the requests."""

    _engine: Engine

    def __init__(self, engine: str) -> None:
        self._name = engine
        self._first_event: dict[str, Any] | None = None
        self._prepared: list[tuple[Any, int]] = []

    def answer(self, request: dict[str, Any]) -> Any:
        match request["do"]:
            case "make event":
                feed = Feed(**request["feed"])
                self._first_event = feed.event(request["first"], request["count"])
            case "open":
                return self._open(Addresses.from_json(request["addresses"]))
            case "prepare":
                self._prepare(Feed(**request["feed"]), request["batches"])
            case "run":
                return [asdict(self._run(prepared, records)) for prepared, records in self._prepared]
            case "run for memory":
                ((prepared, records),) = self._prepared
                _forget_peak()
                before = _memory_bytes("VmRSS")
                self._run(prepared, records)
                return _memory_bytes("VmHWM") - before
            case "close":
                self._engine.close()
        return None

    def _open(self, addresses: Addresses) -> float:
        """Import the engine, open it, and process the first event if there is one; return the seconds."""
        started = time.perf_counter()
        self._engine = make_engine(self._name)
        self._engine.open(addresses)
        if self._first_event is not None:
            self._engine.run(self._engine.prepare(self._first_event))
        return time.perf_counter() - started

    def _prepare(self, feed: Feed, batches: list[tuple[int, int]]) -> None:
        self._prepared = [(self._engine.prepare(feed.event(first, count)), count) for first, count in batches]
        # What remains from the batch before is not this one's.
        gc.collect()

    def _run(self, prepared: Any, records: int) -> Run:
        wall, cpu = time.perf_counter(), time.process_time()
        done = self._engine.run(prepared)
        return Run(time.perf_counter() - wall, time.process_time() - cpu, records, done)


def _forget_peak() -> None:
    # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
        file.write("5")


def _memory_bytes(name: str) -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _serve(engine: str, requests: IO[str], answers: IO[str]) -> None:
    service = _Service(engine)
    for line in requests:
        answers.write(f"{json.dumps(service.answer(json.loads(line)))}\n")
        answers.flush()


if __name__ == "__main__":
    own_output = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    _serve(sys.argv[1], sys.stdin, own_output)
