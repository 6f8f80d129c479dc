"""`catalog console`: one page on this machine that shows a pipeline as it runs."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer

from catalog.connections import Connections
from catalog.console import Output
from catalog.options import AsJson, EnvironmentName
from catalog.running import run

PORT = 8642


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(console)


def console(
    env: EnvironmentName = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port of 127.0.0.1; 0: any that is free.")
    ] = PORT,
    as_json: AsJson = False,
) -> None:
    """Serve a page on this machine that shows the pipeline as it runs, until Ctrl-C: open what it prints.

    Throughput and lag, each batch's stages, quarantine with the fix to try, products with their history, and
    the invariants. On AWS it only reads. On a kept local run it sends fixes, and has switches for trouble:
    stop the cache or the database, cut the network, send poison records.

    The address has a key: who does not have it sees nothing. The page reads only while it is open.

    `--json`: `url`.

    Examples:

        catalog console
        catalog console --env prod --port 0
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        from catalog.web.server import serve

        def ready(url: str) -> None:
            output.data({"url": url}, url)
            output.say(f"The console of {connections.environment.name}; Ctrl-C ends it.")

        # Ctrl-C is how a person ends it.
        with suppress(asyncio.CancelledError):
            await serve(connections, port=port, on_ready=ready)
        return 0

    run(env, output, command)
