"""Tells one step after the other, each with its time and how far it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

_NAME_COLUMNS = 22


class Step:
    """A step under way; what is said last stands in its line."""

    def __init__(self, name: str, status: Status) -> None:
        self._name = name
        self._status = status
        self._began = time.monotonic()
        self.said = ""

    def say(self, what: str) -> None:
        """Tell what came of it."""
        self.said = what

    def progress(self, done: int, planned: int | None) -> None:
        """Show how many resources are done; on a terminal alone."""
        self._status.update(f"{self._name}: {done} of {'…' if planned is None else planned} resources")

    @property
    def seconds(self) -> float:
        """How long it takes until now."""
        return time.monotonic() - self._began


class Steps:
    """The steps of a run; prints a line for each that ends, and keeps its figures."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.name = "start"
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One step for as long as the block lasts. A terminal shows that something is going on."""
        self.name = name
        status = self._console.status(f"{name} …")
        step = Step(name, status)
        if self._console.is_terminal:
            status.start()
        try:
            yield step
        finally:
            status.stop()
        self.seconds[name] = step.seconds
        self._console.print(
            f"{self.total_seconds:6.0f} s  {name:{_NAME_COLUMNS}} {step.seconds:6.1f} s  {step.said}",
            markup=False,
            soft_wrap=True,
        )

    @property
    def total_seconds(self) -> float:
        """Since the first."""
        return time.monotonic() - self._began
