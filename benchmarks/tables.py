"""Engines that do the same must leave the same rows: one that did not do its work has no time."""

from collections.abc import Sequence

from benchmarks.servers import BenchmarkServers


class WrongRowsError(Exception):
    """An engine did not write the rows that ours wrote, so its time says nothing."""


def compare_tables(
    servers: BenchmarkServers, engines: Sequence[str], *, ours: str, columns: str = "products"
) -> None:
    """Compare the engines' tables of products with ours. Raises: WrongRowsError.

    `columns`: an SQL expression, by default the whole row.
    """
    digest = f"SELECT md5(string_agg(({columns})::text, '' ORDER BY product_id)) FROM products"  # noqa: S608
    expected = servers.fetch_value(ours, digest)
    if wrong := [engine for engine in engines if servers.fetch_value(engine, digest) != expected]:
        raise WrongRowsError(f"these tables differ from ours: {', '.join(wrong)}")
