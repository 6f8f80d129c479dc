"""The operators' program on the real servers of one test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.servers import Servers
from tests.support.kept_catalog import Catalog, kept_catalog
from tests.support.real_servers import Services

__all__ = ["Catalog", "lines_of"]


@pytest.fixture
def environment_extras() -> dict[str, Any]:
    """Nothing besides a kept run's parts; a test's module may replace it."""
    return {}


@pytest.fixture
def catalog(
    services: Services, servers: Servers, tmp_path: Path, environment_extras: dict[str, Any]
) -> Iterator[Catalog]:
    """Yield a function that runs the program with arguments, on the servers, as on a kept local run."""
    with kept_catalog(services, servers, tmp_path, environment_extras) as run:
        yield run


def lines_of(screen: str) -> list[str]:
    """Return the lines of a screen that are not empty, without the spaces at their ends."""
    return [line.rstrip() for line in screen.splitlines() if line.strip()]
