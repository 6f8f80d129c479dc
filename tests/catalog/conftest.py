"""The operators' program on the real servers of one test."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from catalog.app import app
from local.demo.kept_run import environment_members
from local.demo.kept_state import hold_state
from local.servers import Servers
from tests.support.real_servers import Services

Catalog = Callable[..., Awaitable[Result]]


@pytest.fixture
def environment_extras() -> dict[str, Any]:
    """Nothing besides a kept run's parts; a test's module may replace it."""
    return {}


@pytest.fixture
def catalog(
    services: Services, servers: Servers, tmp_path: Path, environment_extras: dict[str, Any]
) -> Iterator[Catalog]:
    """Yield a function that runs the program with arguments, on the servers, as on a kept local run."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    members |= environment_extras
    state = tmp_path / "kept-run.json"
    variables = {"CATALOG_KEPT_RUN": str(state), "NO_COLOR": "1"}
    variables["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    async def run(*arguments: str, stdin: str | None = None, columns: int = 100) -> Result:
        of_this_run = variables | {"COLUMNS": str(columns)}
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(app, arguments, input=stdin, env=of_this_run)
        )

    with hold_state(state, {"environment": members}):
        yield run


def lines_of(screen: str) -> list[str]:
    """Return the lines of a screen that are not empty, without the spaces at their ends."""
    return [line.rstrip() for line in screen.splitlines() if line.strip()]
