"""The benchmarks' feeds: events that the processor accepts, and never the same update twice."""

import base64
import json
from typing import Any

import pytest

from benchmarks.feeds import Feed
from processor.records import expand, read_event
from processor.updates import Update, decode

NAMES = ("week", "hot:1000", "even:50")


def updates(feed: Feed, first: int, count: int) -> list[dict[str, Any]]:
    return [
        json.loads(base64.b64decode(record["kinesis"]["data"]))
        for record in feed.event(first, count)["Records"]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_processor_accepts_every_record(name: str) -> None:
    records = [
        record for received in read_event(Feed(name).event(28_600, 200)) for record in expand(received)
    ]
    outcomes = [decode(record) for record in records]
    assert all(isinstance(outcome, Update) for outcome in outcomes)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_depends_on_its_position_alone(name: str) -> None:
    assert Feed(name).event(990, 20)["Records"][10:] == Feed(name).event(1_000, 10)["Records"]


def test_the_week_begins_again_with_newer_updates() -> None:
    (first,), (again,) = updates(Feed("week"), 0, 1), updates(Feed("week"), 28_672, 1)
    assert first["event_time"].startswith("2017-01-01")
    assert again["event_time"].startswith("2017-01-08")
    assert {**first, "event_time": ""} == {**again, "event_time": ""}


def test_a_fiftieth_of_the_products_is_hot() -> None:
    products = [update["product_id"] for update in updates(Feed("hot:1000"), 0, 2_000)]
    hot = sum(product < "P00000020" for product in products)
    assert 0.77 < hot / 2_000 < 0.87
    assert len({update["product_id"] for update in updates(Feed("even:50"), 0, 2_000)}) == 50


def test_shards_have_other_identities() -> None:
    one, two = (Feed("week", shard).event(0, 1)["Records"][0] for shard in (0, 1))
    assert one["eventID"] != two["eventID"]
    assert one["kinesis"]["data"] == two["kinesis"]["data"]
