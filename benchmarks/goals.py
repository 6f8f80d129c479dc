"""What the ratios should be, and where the bound is: the same work in bulk, without guarantees."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """At least, or at most, this; `meaning`: what is divided by what."""

    bound: float
    meaning: str
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Return whether a ratio reaches the goal."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def at_most(bound: float, meaning: str) -> Goal:
    """Return a goal that lower values reach."""
    return Goal(bound, meaning, at_least=False)


_A = "time of the reference's way over ours"
_C = "time with Powertools over ours"
_D = "our time over that of the same work in bulk, without guarantees"

GOALS = {
    "reference_100": Goal(170, _A),
    "reference_500": Goal(700, _A),
    "powertools_100": Goal(3.7, _C),
    "powertools_500": Goal(12, _C),
    "powertools_1000": Goal(16, _C),
    "powertools_10000": Goal(35, _C),
    "guarantees_cost_100": at_most(1.1, _D),
    "guarantees_cost_500": at_most(1.2, _D),
    "guarantees_cost_1000": at_most(1.2, _D),
    "guarantees_cost_10000": at_most(1.4, _D),
    "client_cpu_over_bulk_10000": at_most(1.5, "our process's CPU time over that of the same work in bulk"),
    "copy_merge": Goal(1.0, "rows a second, ours over COPY and merge"),
    "executemany": Goal(3.5, "rows a second, ours over executemany in pipeline mode"),
    "dlt": Goal(8, "rows a second, ours over dlt's merge"),
    "unnest_1024_at_0.1_ms": Goal(1.0, "rows a second, ours over unnest of 1,024 rows a statement"),
    "unnest_1024_at_2.5_ms": Goal(1.0, "the same at 2.5 ms a round trip"),
    "unnest_1024_at_12_ms": Goal(1.0, "the same at 12 ms a round trip"),
    "upsert_over_bare_unnest": at_most(1.25, "time of our upsert over that of a bare one of prebuilt arrays"),
    "blocking_turns": at_most(3, "waits one after another on the longest path of a warm batch"),
    "first_batch": at_most(0.4, "imports, connections and 100 records: ours over a plain build on aioboto3"),
    "containers_10_over_1": Goal(2.5, "records a second in 10 processes over 1, batches of 100"),
    "containers_10_over_1_hot": Goal(2.5, "the same where all records are of 50 products"),
    "million_over_ten_thousand_rows": at_most(
        1.3, "our time a record in a table of a million over 10,000 rows"
    ),
    "memory_mb": at_most(60, "MB that a batch of 10,000 takes at most, over idle, event excluded"),
}
