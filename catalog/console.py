"""What the program prints: data on standard output, everything else on standard error.

Colours follow the terminal and the environment variable NO_COLOR.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from catalog.narrow_tables import fitting

_PLAIN_SECONDS = 5.0


class _DataConsole(Console):
    """A console that leaves it to `running` when the reader of a pipe has gone; rich would end with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Output:
    """Prints one command's results and messages; `as_json`: its data is one JSON document."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # Without markup: what suppliers and others wrote is shown as it is. Nor emoji: `:secret:` in an ARN.
        self._data = _DataConsole(highlight=False, emoji=False, markup=False)
        self._messages = Console(stderr=True, highlight=False, emoji=False, markup=False)

    @property
    def is_interactive(self) -> bool:
        """Whether a person can answer a question."""
        return sys.stdin.isatty() and self._messages.is_terminal

    @property
    def width(self) -> int:
        """How many characters a line of the result may have."""
        return self._data.width

    def data(self, document: Any, *renderables: RenderableType) -> None:
        """Print the result: the document with `--json`, else what is for people."""
        if self.as_json:
            # In ASCII: a record may hold escape sequences of terminals, and lone surrogates.
            sys.stdout.write(f"{json.dumps(document, default=str)}\n")
            return
        for renderable in renderables:
            shown = fitting(renderable, self._data) if isinstance(renderable, Table) else renderable
            self._data.print(shown, soft_wrap=isinstance(shown, str | Text))

    def say(self, text: str) -> None:
        """Print a message for people."""
        self._messages.print(text, soft_wrap=True)

    def ask(self, question: str) -> str:
        """Return the answer typed on the terminal."""
        return self._messages.input(question, markup=False)

    @contextmanager
    def redrawn(self) -> Iterator[Callable[[Any, RenderableType], None]]:
        """Yield a function that shows a result in place of the last one; without a terminal, below it."""
        if self.as_json or not self._data.is_terminal:
            yield self.data
            return
        with Live(console=self._data, auto_refresh=False, vertical_overflow="crop") as live:
            # The terminal writes ^C after the last line; if that were full, all would move up by one.
            width = self.width - 2
            yield lambda _, renderable: live.update(Constrain(renderable, width), refresh=True)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show how far some work is; yield a function to call with how much was done since.

        On a terminal a bar; elsewhere a line every few seconds. Nothing is shown of work that ends at once.
        """
        if self._messages.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self._messages, transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda done: bar.advance(task, done)
            return
        shown_at, done_so_far = time.monotonic(), 0

        def advance(done: int) -> None:
            nonlocal shown_at, done_so_far
            done_so_far += done
            if time.monotonic() - shown_at >= _PLAIN_SECONDS:
                shown_at = time.monotonic()
                self.say(f"{what}: {done_so_far:,}" + (f" of {total:,}" if total is not None else ""))

        yield advance
