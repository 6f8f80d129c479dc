"""The program `catalog` on the servers of a test, which it takes for a run that `make local KEEP=1` keeps."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from catalog.app import app
from local.demo.kept_run import environment_members
from local.demo.kept_state import hold_state
from local.servers import Servers
from tests.support.real_servers import Services

Catalog = Callable[..., Awaitable[Result]]


@contextmanager
def kept_catalog(
    services: Services, servers: Servers, folder: Path, extras: Mapping[str, Any]
) -> Iterator[Catalog]:
    """Yield a function that runs the program with arguments; `extras`: members of its environment."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    state = folder / "kept-run.json"
    variables = {"CATALOG_KEPT_RUN": str(state), "NO_COLOR": "1", "XDG_CACHE_HOME": str(folder / "cache")}

    async def run(*arguments: str, stdin: str | None = None, columns: int = 100) -> Result:
        of_this_run = variables | {"COLUMNS": str(columns)}
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(app, arguments, input=stdin, env=of_this_run)
        )

    with hold_state(state, {"environment": {**members, **extras}}):
        yield run
