"""`catalog archive sql`: the archive's records, asked in SQL."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from catalog.archive.cache import cache_folder, download
from catalog.archive.queries import named_queries, named_query, values_for
from catalog.archive.results import Result, ask_athena, ask_duckdb, open_view
from catalog.archive.spill import open_spill
from catalog.archive.verify import Scope
from catalog.commands.result_printing import print_csv, print_json, print_rows
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.terminal_text import counted
from catalog.times import read_time

Query = Annotated[
    str | None, typer.Argument(help="SQL on the view `archive`; - reads it.", show_default=False)
]
QueryFile = Annotated[Path | None, typer.Option("--file", help="Read the SQL there.", show_default=False)]
Named = Annotated[str | None, typer.Option("--named", help="A query of ours.", show_default=False)]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter, name=value.", show_default=False)
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")]
OnAthena = Annotated[bool, typer.Option("--athena", help="Ask Athena, not this machine.")]
MostGb = Annotated[float, typer.Option("--max-gb", min=0, help="Read at most so much from S3.")]


def chosen_query(
    query: str | None, file: Path | None, named: str | None, settings: list[str]
) -> tuple[str, dict[str, str]] | None:
    """Return the SQL and its parameters; None if no query is given. Raises: UsageError."""
    given = [each for each in (query, file, named) if each is not None]
    if len(given) > 1:
        raise UsageError("one of QUERY, --file and --named is accepted")
    if not given:
        return None
    if named is not None:
        found = named_query(named)
        values = values_for(found.sql, settings, found.defaults)
        times = {name: read_time(values[name], f"--set {name}").isoformat() for name in found.times}
        return found.sql, values | times
    if file is not None:
        try:
            sql = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--file {file} cannot be read: {error}") from error
    else:
        sql = sys.stdin.read() if query == "-" else str(query)
    if not sql.strip():
        raise UsageError("the query is empty")
    return sql, values_for(sql, settings, {})


def print_named(output: Output) -> None:
    """Print the named queries and their parameters."""
    table = Table(
        "name",
        "what it answers",
        "--set",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    document = []
    for query in named_queries():
        parameters = [
            f"{name}: {what}" + (f" (default {query.defaults[name]})" if name in query.defaults else "")
            for name, what in query.parameters.items()
        ]
        table.add_row(query.name, Text(query.title), Text("\n".join(parameters)))
        document.append({"name": query.name, "title": query.title, "parameters": dict(query.parameters)})
    output.data(document, table)


async def ask(
    connections: Connections,
    output: Output,
    chosen: tuple[str, dict[str, str]],
    scope: Scope,
    *,
    athena: bool,
    most_gb: float,
    as_csv: bool,
) -> None:
    """Run the query and print its rows."""
    sql, values = chosen
    if athena:
        async with ask_athena(connections, sql, values, scope) as result:
            await _print(output, result, as_csv=as_csv)
            output.say(f"Athena read {(result.scanned_bytes or 0) / 1024**2:,.1f} MB")
        return
    folder = cache_folder()
    with open_spill(folder, [folder]) as spill:
        with output.progress("objects read") as progress:
            cached = await download(connections, scope, spill, most_gb=most_gb, progress=progress)
        if cached.damaged:
            output.say(f"{counted(cached.damaged, 'damaged object')}: `catalog archive verify` says where")
        open_view(spill, cached.files, scope)
        await _print(output, await ask_duckdb(spill, sql, values), as_csv=as_csv)


async def _print(output: Output, result: Result, *, as_csv: bool) -> None:
    if as_csv:
        await print_csv(result.columns, result.parts)
    elif output.as_json:
        await print_json(result.columns, result.parts)
    else:
        await print_rows(output, result.columns, result.parts)
