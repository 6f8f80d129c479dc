"""`catalog history`: the changes made with this program."""

import typer
from rich.table import Table
from rich.text import Text

from catalog.connections import Connections
from catalog.console import Output
from catalog.operations import list_operations
from catalog.options import AsJson, EnvironmentName
from catalog.running import run
from catalog.terminal_text import safe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(history)


def history(
    env: EnvironmentName = None,
    as_json: AsJson = False,
    limit: int = typer.Option(20, "--limit", min=1, help="How many at most."),
) -> None:
    """List the changes made with this program, newest first: who, when, what and why.

    Examples:

        catalog history --env prod
        catalog history --limit 100 --json | jq -r '.[] | .by'
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> None:
        damaged: list[str] = []
        operations = await list_operations(connections, limit=limit, on_damage=damaged.append)
        for key in damaged:
            output.say(f"damaged: {safe(key, 200)}")
        table = Table("begun", "command", "state", "by", "reason")
        for one in operations:
            cells = (one.begun_at[:19], one.command, one.state, one.by, one.reason)
            table.add_row(*(Text(safe(cell, 300), overflow="fold") for cell in cells))
        output.data([one.document() for one in operations], table)

    run(env, output, command)
