"""The run's progress: a progress bar on a terminal, a line every few seconds elsewhere."""

import json
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_PLAIN_SECONDS = 2.0
_BAR_COLUMNS = 60


@dataclass(slots=True)
class Figures:
    """Counts of records in finished batches; `lag_ms` is the age of the oldest unfinished record."""

    sent: int = 0
    archived: int = 0
    upserted: int = 0
    quarantined: int = 0
    batches: int = 0
    pending_invalidations_added: int = 0
    lag_ms: int = 0

    def read_log(self, line: str) -> None:
        """Add the figures of one line of the function's log, if it reports a finished batch."""
        if not line.startswith("{") or '"batch"' not in line:
            return
        entry = json.loads(line)
        if entry.get("message") == "batch" and not entry.get("first_unfinished"):
            self.archived += entry["records"]
            self.upserted += entry["accepted"]
            self.quarantined += sum(entry["rejected"].values())
            self.pending_invalidations_added += entry["pending_invalidations_added"]
            self.batches += 1

    def __str__(self) -> str:
        return (
            f"{self.sent:,} in | {self.archived:,} archived | {self.upserted:,} upserted | "
            f"{self.quarantined:,} quarantined | lag {self.lag_ms / 1000:.1f} s"
        )


class ProgressDisplay:
    """A context manager that shows the figures and the share of all records."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._shown_at = time.monotonic()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, figures: Figures, *, last: bool = False) -> None:
        """Show the figures; without a terminal at most every two seconds, except for the last ones."""
        # Records may be sent again.
        total = max(self._total, figures.sent)
        if self._live is not None:
            # The bar has a separate line: 80 columns are too few for both it and the figures.
            lines = Table.grid()
            lines.add_row(ProgressBar(total, figures.archived, width=_BAR_COLUMNS))
            lines.add_row(Text(str(figures)))
            self._live.update(lines, refresh=True)
        elif last or time.monotonic() - self._shown_at >= _PLAIN_SECONDS:
            self._shown_at = time.monotonic()
            self._console.print(f"{figures.archived / total:4.0%} {figures}", highlight=False)
