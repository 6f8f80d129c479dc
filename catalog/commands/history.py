"""`catalog history`: the changes made with this program."""

from typing import Annotated, Any

import typer
from rich.text import Text

from catalog.connections import Connections
from catalog.console import Output
from catalog.operations import Operation, list_operations
from catalog.options import AsJson, EnvironmentName
from catalog.running import run
from catalog.terminal_text import safe
from catalog.times import read_time


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(history)


def history(
    env: EnvironmentName = None,
    as_json: AsJson = False,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Begun since then: a day, a time, an age (6h).", show_default=False),
    ] = None,
    limit: int = typer.Option(20, "--limit", min=1, help="How many at most."),
) -> None:
    """List the changes made with this program, newest first: who, when, what and why.

    `done`: all of it or a part; `failed`: nothing, or it ended with an error; `interrupted`; `begun`: it
    runs, or was killed.

    Examples:

        catalog history --env prod --since 12h
        catalog history --limit 100 --json | jq -r '.[] | .by'
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> None:
        damaged: list[str] = []
        begin = None if since is None else read_time(since, "--since")
        operations = await list_operations(connections, limit=limit, since=begin, on_damage=damaged.append)
        for key in damaged:
            output.say(f"damaged: {safe(key, 200)}")
        output.data([one.document() for one in operations], *map(_lines, operations))
        if not operations:
            output.say("no operations yet" if since is None else f"no operations since {since}")

    run(env, output, command)


def _lines(one: Operation) -> Text:
    """Return an operation in two lines: when, which, state and who; why, and what it did."""
    head = f"{one.begun_at[:19]}Z  {one.command}: {one.state}, by {one.by.rpartition(':')[2]}"
    done = ", ".join(filter(None, (_said(name, value) for name, value in one.changes.items())))
    return Text("\n".join([safe(head, 300), f"  {safe(one.reason or 'no reason', 300)}: {safe(done, 600)}"]))


def _said(name: str, value: Any) -> str:
    """Return a count or an argument, such as "accepted 2"; nothing for what is empty."""
    if isinstance(value, dict):
        return ", ".join(filter(None, (_said(inner, each) for inner, each in value.items())))
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return "" if value in (None, "") or value is False else f"{name.replace('_', ' ')} {value}"
