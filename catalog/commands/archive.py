"""`catalog archive`: is it whole, what does it say, what does it cost."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from catalog.archive.findings import MOST_FINDINGS, Verification
from catalog.archive.report import Day, advice, list_days, outside_of, small_costs
from catalog.archive.spill import open_spill
from catalog.archive.verify import Scope, verify
from catalog.commands.archive_sql import (
    AsCsv,
    MostGb,
    Named,
    OnAthena,
    Query,
    QueryFile,
    Settings,
    ask,
    chosen_query,
    print_named,
)
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.options import AsJson, EnvironmentName
from catalog.running import run
from catalog.terminal_text import counted
from catalog.times import read_time

FromDay = Annotated[
    str | None,
    typer.Option("--from", help="The first day (UTC), or that of a time or an age (1h).", show_default=False),
]
ToDay = Annotated[
    str | None,
    typer.Option("--to", help="The last day, itself included. Default: today.", show_default=False),
]
Shard = Annotated[str | None, typer.Option("--shard", help="Only this shard.", show_default=False)]

Duplicates = Annotated[bool, typer.Option("--duplicates", help="Read every line and count duplicates.")]
NoTable = Annotated[
    bool, typer.Option("--no-table", help="Do not compare the catalog's rows with the archive.")
]

_NO_FINDINGS = (
    "no findings. That an object was deleted shows only where quarantine or a row's version tells of it, "
    "or a whole day is missing"
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    archive = typer.Typer(name="archive", no_args_is_help=True, help="Check, ask and measure the archive.")
    archive.command("verify")(verify_command)
    archive.command("sql")(sql_command)
    archive.command("compact-report")(report_command)
    app.add_typer(archive)


def scope_of(begin: str | None, end: str | None, shard: str | None) -> Scope:
    """Return which objects the options choose. Raises: UsageError."""
    if begin is None:
        if end is not None:
            raise UsageError("--to needs --from: the first and the last day, both included")
        return Scope(shard=shard)
    first, last = read_time(begin, "--from").date(), read_time(end or "0s", "--to").date()
    if last < first:
        raise UsageError(f"--from {first} is later than --to {last}")
    return Scope(first, last, shard)


def verify_command(
    env: EnvironmentName = None,
    begin: FromDay = None,
    end: ToDay = None,
    shard: Shard = None,
    no_table: NoTable = False,
    as_json: AsJson = False,
) -> None:
    """Find damage, contradictions and gaps in the archive; exit with 1 if there are any.

    A finding is one line: its kind, the object's key and the line's number, and what is wrong. Duplicates are
    counted: they are normal after redelivery. So are fixed records: rejected, and accepted later.

    --json prints {objects, bytes, records, duplicates, fixed, found, counts: {kind: count},
    findings: [{kind, key, line, message}], notes: [text], days: [{day, shard, objects, …}]}.

    Examples:

        catalog archive verify --env prod --from 2026-01-01 --to 2026-01-31
        catalog archive verify --json | jq -r '.findings[] | .key' | sort -u
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        scope = scope_of(begin, end, shard)
        with open_spill() as spill, output.progress("objects checked") as progress:
            result = await verify(connections, scope, spill, table=not no_table, progress=progress)
        _print_verification(output, result)
        return 1 if result.found else 0

    run(env, output, command)


def sql_command(
    query: Query = None,
    file: QueryFile = None,
    named: Named = None,
    settings: Settings = None,
    env: EnvironmentName = None,
    begin: FromDay = None,
    end: ToDay = None,
    shard: Shard = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    athena: OnAthena = False,
    max_gb: MostGb = 2.0,
) -> None:
    """Ask the archive in SQL, on this machine (DuckDB) or on Athena. Without a query, list the named ones.

    The view `archive` has a row for each line: day, shard, sequence_number, sub_sequence, partition_key,
    arrival_time, verdict, data (the record as text), object, line; supplier where it can be read; and where
    the verdict is `accepted`, product_id, inventory, price, discontinued, event_time and version. A
    redelivered record has several rows. A parameter is written `$name`, in WHERE, and is a text.

    --json prints an array of objects, one per row; amounts and times are texts.

    Examples:

        catalog archive sql --named product_history --set product=p-1 --from 2026-01-01 --to 2026-01-31
        catalog archive sql 'SELECT verdict, count(*) FROM archive GROUP BY verdict' --csv
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> None:
        if as_json and as_csv:
            raise UsageError("one of --json and --csv is accepted")
        scope, chosen = scope_of(begin, end, shard), chosen_query(query, file, named, settings or [])
        if chosen is None:
            print_named(output)
            return
        await ask(connections, output, chosen, scope, athena=athena, most_gb=max_gb, as_csv=as_csv)

    run(env, output, command)


def report_command(
    env: EnvironmentName = None,
    begin: FromDay = None,
    end: ToDay = None,
    shard: Shard = None,
    duplicates: Duplicates = False,
    as_json: AsJson = False,
) -> None:
    """Say what the archive holds by day, what its small objects cost, and what to do. It changes nothing.

    --json prints {days: [{day, objects, bytes, small_objects, small_bytes}], costs: {puts, reads, standard,
    glacier, larger_objects, larger_puts, larger_reads}, records, duplicates, advice: [text]}.

    Examples:

        catalog archive compact-report --env prod
        catalog archive compact-report --from 2026-01-01 --to 2026-01-31 --duplicates
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> None:
        scope = scope_of(begin, end, shard)
        with output.progress("objects listed") as progress:
            days = await list_days(connections, scope, progress)
        records = twice = None
        if duplicates:
            with open_spill() as spill, output.progress("objects read") as progress:
                found = await verify(connections, scope, spill, table=False, progress=progress)
            records = sum(day.records for day in found.days.values())
            twice = sum(day.duplicates for day in found.days.values())
        outside = None if days else await outside_of(connections, scope)
        _print_report(output, days, records, twice, outside)

    run(env, output, command)


def _print_report(
    output: Output, days: list[Day], records: int | None, duplicates: int | None, outside: str | None
) -> None:
    rows, costs = [asdict(day) for day in days], small_costs(days)
    found = [outside] if outside else advice(days, costs, records=records, duplicates=duplicates)
    columns = ("day", "objects", "bytes", "small_objects", "small_bytes")
    totals = {name: sum(row[name] for row in rows) for name in columns[1:]}
    lines = [
        f"Small objects (under 128 KiB): ${costs.puts:,.4f} to write and ${costs.reads:,.4f} to read once, "
        f"${costs.standard:,.4f} a month.",
        f"The same in {costs.larger_objects:,} larger ones: ${costs.larger_puts:,.4f}, "
        f"${costs.larger_reads:,.4f}, ${costs.glacier:,.4f} (from day 90 on).",
    ]
    if records is not None and duplicates is not None:
        lines.append(
            f"Duplicates: {duplicates:,} of {counted(records, 'line')} ({duplicates / max(records, 1):.1%})."
        )
    document = {
        "days": rows,
        "costs": asdict(costs),
        "records": records,
        "duplicates": duplicates,
        "advice": found,
    }
    if outside:
        output.data(document, outside)
        return
    output.data(document, _table(columns, rows, totals), Text("\n".join([*lines, *found])))


def _print_verification(output: Output, result: Verification) -> None:
    days = [asdict(found) for _, found in sorted(result.days.items())]
    totals = {
        name: sum(day[name] for day in days)
        for name in ("objects", "bytes", "records", "rejected", "duplicates", "fixed")
    }
    columns = ("day", "shard", "objects", "records", "duplicates", "fixed", "findings")
    table = _table(columns, days, totals | {"findings": result.found})
    findings = [Text(found.text()) for found in result.findings]
    document = {
        **totals,
        "found": result.found,
        "counts": result.counts,
        "findings": [asdict(found) for found in result.findings],
        "notes": result.notes,
        "days": days,
    }
    output.data(document, table, *findings)
    for note in result.notes:
        output.say(f"note: {note}")
    if result.found > MOST_FINDINGS:
        output.say(f"only the first {MOST_FINDINGS:,} of {result.found:,} findings are shown")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(result.counts.items()))
    output.say(f"{counted(result.found, 'finding')}: {kinds}" if result.found else _NO_FINDINGS)


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]], totals: dict[str, int]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_footer=len(rows) > 1, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for name in columns:
        if name in totals:
            table.add_column(name, footer=f"{totals[name]:,}", justify="right", no_wrap=True)
        else:
            table.add_column(name, footer="total" if name == columns[0] else "", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{row[name]:,}" if name in totals else str(row[name]) for name in columns))
    return table
