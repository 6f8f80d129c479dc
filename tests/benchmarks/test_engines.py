"""Every engine really does the work: the rows are what the feed says, and S3 has the objects."""

import base64
import importlib.util
import json
from typing import Any

import pytest

from benchmarks.feeds import Feed
from benchmarks.servers import BenchmarkServers
from benchmarks.worker import Worker

# Each update has a price, and they come in the order of event times: engines without versions are right.
FEED = Feed("even:40")
BATCHES = [(0, 60), (60, 60)]
OBJECTS = {"ours": 2, "bulk": 2, "powertools": 2, "reference": 120, "reused_connections": 120}
PEERS = importlib.util.find_spec("psycopg") and importlib.util.find_spec("pydantic")
needs_peers = pytest.mark.skipif(
    not PEERS, reason="the peers' libraries are not there: make bench installs them"
)
ROWS = (
    "SELECT json_agg(json_build_array(product_id, inventory, price::float) ORDER BY product_id) FROM products"
)


def expected() -> list[list[Any]]:
    """Return the rows that the feed ends in, by its last update of each product."""
    latest: dict[str, list[Any]] = {}
    for record in FEED.event(0, 120)["Records"]:
        update = json.loads(base64.b64decode(record["kinesis"]["data"]))
        latest[update["product_id"]] = [update["product_id"], update["inventory"], update["price"]]
    return [latest[product] for product in sorted(latest)]


@pytest.mark.parametrize(
    "engine",
    [name if name in ("ours", "bulk") else pytest.param(name, marks=needs_peers) for name in OBJECTS],
)
def test_rows_are_the_feeds(engine: str, servers: BenchmarkServers) -> None:
    servers.new_database(engine)
    before = servers.stored_in_s3()["objects"]
    with Worker(engine, servers.addresses(engine)) as worker:
        runs = worker.run(FEED, BATCHES)
    assert [run.done for run in runs] == [60, 60]
    assert all(run.wall_seconds > 0 and run.cpu_seconds > 0 for run in runs)
    assert json.loads(servers.fetch_value(engine, ROWS)) == expected()
    assert servers.stored_in_s3()["objects"] - before == OBJECTS[engine]


def test_the_memory_of_a_batch_is_measured(servers: BenchmarkServers) -> None:
    servers.new_database("memory")
    with Worker("ours", servers.addresses("memory"), first=(FEED, 0, 2)) as worker:
        assert worker.first_batch > 0
        assert 0 < worker.peak_memory_bytes(FEED, 2, 5_000) < 200 * 1024 * 1024
