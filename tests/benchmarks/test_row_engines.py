"""The engines that only commit rows really do: the rows are what the fold says, or what they promise."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engines import ROW_ENGINES
from benchmarks.engines.dlt_merge import PYTHON
from benchmarks.feeds import Feed
from benchmarks.rows import prepared
from benchmarks.servers import BenchmarkServers
from benchmarks.worker import Worker

# Some updates of the week have no price.
FEED = Feed("week")
BATCHES = [(0, 1_500), (1_500, 1_500)]
ROWS = """
SELECT json_agg(json_build_array(product_id, inventory, {price}, inventory_version, price_version)
    ORDER BY product_id COLLATE "C") FROM {table}
"""
SAME_SEMANTICS = ("catalog_upsert", "copy_merge", "executemany", "unnest_1024")
NO_VERSIONS = ("unnest_1024_blind", "values_1024_blind", "limit_bare_unnest", "limit_bare_texts")
needs_psycopg = pytest.mark.skipif(
    not importlib.util.find_spec("psycopg"), reason="psycopg is not there: make bench installs it"
)
needs_dlt = pytest.mark.skipif(
    not Path(os.environ.get("DLT_PYTHON", PYTHON)).exists(), reason="dlt is not there: make bench installs it"
)


def marked(names: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(name, marks=needs_psycopg)
        if name in ("copy_merge", "executemany", "limit_bare_unnest", "limit_bare_texts")
        else name
        for name in names
    ]


def written(
    engine: str, servers: BenchmarkServers, table: str = "products", price: str = "(price * 100)::bigint"
) -> list[list[Any]]:
    """Run the batches; return product, inventory, cents and both versions of each row."""
    servers.new_database(engine)
    with Worker(engine, servers.addresses(engine)) as worker:
        runs = worker.run(FEED, BATCHES)
    assert [run.done for run in runs] == [len(prepared(FEED.event(*batch))) for batch in BATCHES]
    rows: list[list[Any]] = json.loads(servers.fetch_value(engine, ROWS.format(table=table, price=price)))
    return rows


def whole_rows() -> list[list[Any]]:
    """Return the rows where each change replaces a product's whole row."""
    latest: dict[str, list[Any]] = {}
    for batch in BATCHES:
        for product_id, row in prepared(FEED.event(*batch)):
            inventory, price, _, inventory_version, price_version, _ = row
            latest[product_id] = [product_id, inventory, price, inventory_version, price_version]
    return [latest[product_id] for product_id in sorted(latest)]


def merged_rows() -> list[list[Any]]:
    """Return the fold of all updates."""
    both = prepared(FEED.event(0, sum(count for _, count in BATCHES)))
    return [[product_id, row[0], row[1], row[3], row[4]] for product_id, row in both]


@pytest.mark.parametrize("engine", marked(SAME_SEMANTICS))
def test_the_rows_are_the_fold(engine: str, servers: BenchmarkServers) -> None:
    assert written(engine, servers) == merged_rows() != whole_rows()


@pytest.mark.parametrize("engine", marked(NO_VERSIONS))
def test_the_last_change_replaces_the_row(engine: str, servers: BenchmarkServers) -> None:
    assert written(engine, servers) == whole_rows()


@needs_dlt
@pytest.mark.parametrize("engine", ["dlt", "dlt_csv"])
def test_dlt_replaces_the_row_in_a_table_of_its_own(engine: str, servers: BenchmarkServers) -> None:
    assert written(engine, servers, "dlt_catalog.products", "price") == whole_rows()


def test_every_row_engine_is_tested() -> None:
    assert {*SAME_SEMANTICS, *NO_VERSIONS, "dlt", "dlt_csv", "limit_copy", "limit_decode"} == {*ROW_ENGINES}
