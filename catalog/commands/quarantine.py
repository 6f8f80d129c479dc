"""`catalog quarantine list|show`: rejected records, why, and their bytes."""

import base64
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from catalog.commands.quarantine_choice import no_such_record, read_filter
from catalog.commands.quarantine_fix import fix
from catalog.commands.quarantine_repair import redrive
from catalog.commands.redrive import Again, Shard, Since, Until, damaged_lines
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.options import AsJson, EnvironmentName
from catalog.repair.listing import OTHERS, Listing
from catalog.repair.listing import list_quarantined as list_records
from catalog.repair.marks import Marks, read_marks, record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined
from catalog.repair.verdicts import decoded
from catalog.running import run
from catalog.terminal_text import counted, escaped, plain
from catalog.times import shown_time
from processor.reasons import Reason
from processor.records import is_sequence_number
from processor.updates import Rejection

_MOST_GROUPS = 30
_IDENTITY = ("id", "shard", "sequence_number", "sub_sequence", "partition_key", "arrival_time", "supplier")

Code = Annotated[
    list[str] | None,
    typer.Option("--reason", "--code", help="Rejected for this reason, such as invalid_price. Repeatable."),
]
Supplier = Annotated[
    str | None, typer.Option("--supplier", help="Sent by this supplier; `unknown`: it could not be read.")
]
Product = Annotated[
    str | None, typer.Option("--product", help="Records in whose bytes this text is, such as a product id.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Rejected records: look at them, fix them, send them again."
    )
    group.command("list")(list_quarantined)
    group.command()(show)
    group.command()(fix)
    group.command()(redrive)
    app.add_typer(group, name="quarantine")


def list_quarantined(
    env: EnvironmentName = None,
    code: Code = None,
    supplier: Supplier = None,
    since: Since = None,
    until: Until = None,
    shard: Shard = None,
    product: Product = None,
    limit: Annotated[int, typer.Option("--limit", min=0, max=10_000, help="Records shown.")] = 20,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """List quarantined records: counts by reason and supplier, then the newest.

    --since and --until are times of arrival. What was redriven is left out, except with --again.

    JSON: `records`, `counts` (of each `reason` and `supplier`), `newest` (as `show` has them) and `damaged`.

    Examples:

        catalog quarantine list --env prod --since 24h
        catalog quarantine list --reason invalid_price --supplier acme --json | jq .counts
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        wanted = read_filter(None, code, supplier, since, until, shard, product)
        marks = await read_marks(connections)
        without = set[str]() if again else marks.records | marks.fixed
        with output.progress("reading quarantine") as advance:
            listing = await list_records(connections, wanted, without=without, limit=limit, advance=advance)
        _print_list(listing, marks, output)
        return 1 if listing.damaged else 0

    run(env, output, command)


def show(
    record: Annotated[list[str], typer.Argument(help="An id that `list` prints; or SHARD SEQUENCE [SUB].")],
    env: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Show a quarantined record: why it was rejected, what today's rules say, its bytes.

    Every line of the record is shown, the newest first: it has several if it was delivered or redriven again.

    JSON: a list of the lines, each with `id`, `shard`, `sequence_number`, `sub_sequence`, `partition_key`,
    `arrival_time`, `supplier`, `reason`, `message`, `data_base64`, `key`, `line`, `redriven` and `today`.

    Examples:

        catalog quarantine show 1a2b3c4d5e --env prod
        catalog quarantine show shardId-000000000006 4959033827149025660855969253 0
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        wanted, sub_sequence = _wanted(record)
        marks = await read_marks(connections)
        lines = [
            found
            async for found in read_quarantined(connections, wanted, every_line=True)
            if isinstance(found, Quarantined) and sub_sequence in (None, found.record.sub_sequence)
        ]
        if not lines:
            raise UsageError(no_such_record(" ".join(record)))
        lines.sort(key=lambda found: found.written_at, reverse=True)
        shown: list[RenderableType] = []
        for found in lines:
            shown += [*_shown_record(found, marks), Text()]
        output.data([document_of(found, marks) | {"today": _today(found)} for found in lines], *shown[:-1])
        return 0

    run(env, output, command)


def _wanted(words: list[str]) -> tuple[Filter, int | None]:
    match words:
        case [id_]:
            return Filter(ids=frozenset({id_})), None
        case [shard, number] if is_sequence_number(number):
            return Filter(shard=shard, sequence_number=int(number)), None
        case [shard, number, sub] if is_sequence_number(number) and sub.removeprefix("-").isdecimal():
            return Filter(shard=shard, sequence_number=int(number)), int(sub)
    raise UsageError("an id is accepted, or a shard, a sequence number and perhaps a sub-sequence")


def _print_list(listing: Listing, marks: Marks, output: Output) -> None:
    counts, newest, damaged = listing.counts, listing.newest, listing.damaged
    table = Table("reason", "supplier", "records")
    for (reason, supplier), count in counts.most_common(_MOST_GROUPS):
        table.add_row(plain(reason, 30), plain(supplier, 40), f"{count:,}")
    if len(counts) > _MOST_GROUPS:
        table.add_row(OTHERS, OTHERS, f"{counts.total() - sum(n for _, n in counts.most_common(30)):,}")
    records: list[RenderableType] = []
    for found in newest:
        head = f"{found.id}  {shown_time(found.arrived_at)}  {found.reason}, "
        records += [
            plain(f"{head}{escaped(found.supplier or 'unknown', 64)}"),
            plain(f"  {escaped(found.message, max(output.width - 2, 20))}"),
        ]
    shown: list[RenderableType] = [Text(counted(counts.total(), "quarantined record"))]
    if counts:
        shown += [table]
    if newest:
        shown += [Text(f"the newest {len(newest):,}:"), *records]
    document = {
        "records": counts.total(),
        "counts": [
            {"reason": reason, "supplier": supplier, "records": count}
            for (reason, supplier), count in counts.most_common()
        ],
        "newest": [document_of(found, marks) for found in newest],
        "damaged": [asdict(found) for found in damaged],
    }
    output.data(document, *shown, *damaged_lines(damaged))


def document_of(found: Quarantined, marks: Marks) -> dict[str, Any]:
    """Return a record as JSON has it; `redriven`: null, "fixed" or "unchanged"."""
    name = record_name(found.identity)
    return {
        "id": found.id,
        "shard": found.record.shard,
        "sequence_number": found.record.sequence_number,
        "sub_sequence": found.record.sub_sequence,
        "partition_key": found.record.partition_key,
        "arrival_time": found.arrived_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "supplier": found.supplier,
        "reason": found.reason,
        "message": found.message,
        "data_base64": base64.b64encode(found.record.data).decode(),
        "key": found.key,
        "line": found.line,
        "redriven": "fixed" if name in marks.fixed else "unchanged" if name in marks.records else None,
    }


def _shown_record(found: Quarantined, marks: Marks) -> list[Text]:
    document = document_of(found, marks)
    values = {name: "none" if document[name] is None else str(document[name]) for name in _IDENTITY}
    values |= {
        "reason": f"{found.reason}{_sentence(found.reason)}",
        "message": found.message,
        "object": f"{found.key} line {found.line}",
        "redriven": document["redriven"] or "no",
        "today": _today(found),
    }
    lines = [plain(f"{name:<16} {value}") for name, value in values.items()]
    return [*lines, Text(f"{len(found.record.data):,} bytes:"), plain(found.record.data)]


def _sentence(code: str) -> str:
    try:
        return f": {Reason(code).sentence}"
    except ValueError:
        return ""


def _today(found: Quarantined) -> str:
    """Return what today's rules say; a record that killed its processes is not tried."""
    if found.reason == Reason.KILLED_PROCESS:
        return "not tried: it may kill this process too"
    outcome = decoded(found.record)
    return f"{outcome.reason}: {outcome.message}" if isinstance(outcome, Rejection) else "accepted"
