"""How a sending or a check went: a document for programs, and what people read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from catalog.produce.expected import KEPT, Expected
from catalog.produce.waiting import WAIT_SECONDS, Outcome
from catalog.terminal_text import counted, plain

_SHOWN = 20
_ID_CHARACTERS = 40


@dataclass(kw_only=True, slots=True)
class Report:
    """A sending. `expected`: what is known of its records beforehand; `outcome`: what became of them.

    `is_simulated`: those to be rejected were made up so, and are only counted.
    """

    stream: str
    is_simulated: bool = False
    expected: Expected = field(default_factory=Expected)
    sent: int = 0
    sent_again: int = 0
    seconds: float = 0.0
    outcome: Outcome | None = None

    def document(self) -> dict[str, Any]:
        """Return the members that the help of `catalog produce` names."""
        outcome = self.outcome
        return {
            "stream": self.stream,
            "sent": self.sent,
            "sent_again": self.sent_again,
            "seconds": round(self.seconds, 3),
            **_rejections(self.expected),
            "outcome": None
            if outcome is None
            else {
                "in_catalog": outcome.current,
                "replaced": outcome.replaced,
                "superseded": outcome.superseded,
                "quarantined": dict(outcome.quarantined),
                "unprocessed": outcome.unprocessed,
            },
        }

    def renderables(self) -> Iterator[RenderableType]:
        """Yield what is for people."""
        rate = f", {self.sent / self.seconds:,.0f} a second" if self.seconds >= 1 else ""
        again = f"; {self.sent_again:,} were sent again" if self.sent_again else ""
        yield f"Sent {counted(self.sent, 'record')} to {self.stream}{rate}{again}."
        if self.expected.rejected:
            rejected = counted(self.expected.rejected, "record")
            yield f"{rejected} to be rejected or not sent: {_counts(self.expected)}."
            if not self.is_simulated:
                yield rejected_table(self.expected)
        if (outcome := self.outcome) is None:
            return
        yield f"In the catalog: {outcome.current:,}."
        if outcome.replaced:
            yield f"Replaced by later records of this run: {outcome.replaced:,}."
        if outcome.superseded:
            yield (
                f"Without effect: {outcome.superseded:,}. The catalog already has newer values, which this "
                "run did not send (see event_time)."
            )
        if outcome.quarantined:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in outcome.quarantined.most_common())
            yield f"In quarantine: {outcome.quarantined.total():,} ({reasons})."
        if outcome.unprocessed:
            yield (
                f"Not processed after {WAIT_SECONDS:g} s: {outcome.unprocessed:,}. "
                "See `catalog status`, and for a local run .local/kept-run.log."
            )


def check_document(expected: Expected) -> dict[str, Any]:
    """Return the result of `--check` for programs."""
    return {"accepted": expected.accepted, **_rejections(expected)}


def check_renderables(expected: Expected) -> Iterator[RenderableType]:
    """Yield the result of `--check` for people."""
    if expected.rejected:
        yield rejected_table(expected)
        yield f"{expected.accepted:,} would be accepted, {expected.rejected:,} not: {_counts(expected)}."
    else:
        yield f"All of {counted(expected.accepted, 'record')} would be accepted."


def rejected_table(expected: Expected) -> Table:
    """Return the first rejections; all text is shown as it is, and nothing of it reaches the terminal raw."""
    left_out = expected.rejected - min(len(expected.first), _SHOWN)
    more = f"and {left_out:,} more: --json has the first {KEPT:,}" if left_out else None
    table = Table("line", "product", "reason", "why", caption=more)
    for each in sorted(expected.first, key=lambda each: each.line)[:_SHOWN]:
        table.add_row(
            str(each.line), plain(each.product_id, _ID_CHARACTERS), each.reason, plain(each.message, 300)
        )
    return table


def _rejections(expected: Expected) -> dict[str, Any]:
    return {
        "rejected": dict(expected.by_reason),
        "lines": [each._asdict() for each in expected.first],
        "lines_left_out": expected.rejected - len(expected.first),
    }


def _counts(expected: Expected) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in expected.by_reason.most_common())
