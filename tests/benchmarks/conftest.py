"""Servers for the benchmarks' tests."""

from collections.abc import Iterator

import pytest

from benchmarks.servers import BenchmarkServers, start_benchmark_servers


@pytest.fixture(scope="module")
def servers() -> Iterator[BenchmarkServers]:
    """Servers as the benchmarks use them."""
    with start_benchmark_servers() as started:
        yield started
