"""`make local`: how long it goes on, and what a kept run tells CloudWatch."""

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import cast

from rich.console import Console

from local.demo.cloudwatch import metrics
from local.demo.feed import Outgoing
from local.demo.progress import Figures, ProgressDisplay
from local.demo.run import until_stores_were_refused
from local.emulated_aws.event_source_mapping.mapping import Progress

FEED = [Outgoing("a", b"{}", good=True)] * 5_000
IDLE = Progress(
    records_read=0, records_acknowledged=0, records_discarded=0, invocations=7, invocations_in_flight=0,
    function_errors=2, reported_failures=1, throttles=0, read_failures=0, destination_delivery_failures=0,
    iterator_age_ms=0, checkpoints={}, shards_finished=0, shards_reading=1,
)  # fmt: skip


async def parts_sent(*refused: int) -> list[int]:
    """Return how long the parts are that are sent again while so many stores were refused."""
    counts = iter(refused)
    parts: list[int] = []

    async def send_again(part: Sequence[Outgoing]) -> None:
        parts.append(len(part))

    await until_stores_were_refused(lambda: next(counts), send_again, FEED)
    return parts


async def test_records_are_sent_again_until_stores_were_refused() -> None:
    assert await parts_sent(20) == []
    assert await parts_sent(3, 19, 25) == [2_000, 2_000]


async def test_records_are_sent_again_once_at_most() -> None:
    assert await parts_sent(0, 0, 0) == [2_000, 2_000, 1_000]


def test_no_more_than_everything_is_done() -> None:
    console = Console(file=StringIO(), width=120)
    ProgressDisplay(console, 100).show(Figures(sent=400, archived=200), last=True)
    assert cast(StringIO, console.file).getvalue().startswith(" 50% 400 in | 200 archived")


def test_a_kept_run_counts_as_lambda_does() -> None:
    now = replace(IDLE, invocations=10, function_errors=5, reported_failures=2, iterator_age_ms=90_000)
    told = {
        (namespace, each["MetricName"]): each["Value"]
        for namespace, data in metrics(IDLE, now).items()
        for each in data
    }
    assert told == {
        ("AWS/Lambda", "Invocations"): 3.0,
        ("AWS/Lambda", "Errors"): 3.0,
        ("AWS/Lambda", "IteratorAge"): 90_000.0,
        ("ProductCatalog", "BatchesUnfinished"): 1.0,
    }
    assert metrics(IDLE, replace(IDLE, iterator_age_ms=5)) == {}
