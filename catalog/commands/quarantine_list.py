"""`catalog quarantine list`: how many records were rejected, why, whose, and the newest."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from catalog.commands.quarantine_choice import read_filter
from catalog.commands.redrive import Again, Shard, Since, Until, damaged_lines
from catalog.connections import Connections
from catalog.console import Output
from catalog.options import AsJson, EnvironmentName
from catalog.repair.claims import Claim, begun_fix, read_begun
from catalog.repair.listing import OTHERS, UNKNOWN, Listing, document_of, list_records
from catalog.repair.marks import Marks, read_marks
from catalog.running import run
from catalog.terminal_text import counted, escaped, plain, safe
from catalog.times import shown_time

_MOST_GROUPS = 30
_NAMED_SUPPLIERS = 10
FINISH = "`catalog quarantine fix --finish`"

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

    --since and --until are times of arrival. What was redriven is left out, except with --again. `fix begun`:
    nothing says that the fix was sent; `catalog quarantine fix --finish` sends it.

    JSON: `records`, `counts` (of each `reason` and `supplier`), `fixes_begun`, `newest` (as `show` has them)
    and `damaged`.

    Examples:

        catalog quarantine list --env prod --since 24h
        catalog quarantine list --reason invalid_price --supplier acme --json | jq .counts
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        wanted = read_filter(None, code, supplier, since, until, shard, product)
        marks = await read_marks(connections)
        begun = await read_begun(connections, marks)
        without: Container[str] = () if again else marks.of_records
        with output.progress("reading quarantine") as advance:
            found = await list_records(
                connections, wanted, without=without, begun=begun, limit=limit, advance=advance
            )
        _print(found, marks, begun, output)
        if supplier is not None and not found.counts:
            _say_suppliers(supplier, found.suppliers, output)
        return 1 if found.damaged else 0

    run(env, output, command)


def _say_suppliers(supplier: str, suppliers: Counter[str], output: Output) -> None:
    """Say whose records there are, where none is of the supplier that was asked for."""
    named = [f"{safe(name, 40)} ({count:,})" for name, count in suppliers.most_common(_NAMED_SUPPLIERS)]
    more = f" and {len(suppliers) - len(named):,} more" if len(suppliers) > len(named) else ""
    others = f"; there are records of {', '.join(named)}{more}" if named else ""
    output.say(f"no such record has the supplier {safe(repr(supplier), 60)}{others}")


def _print(found: Listing, marks: Marks, begun: Mapping[str, Claim], output: Output) -> None:
    counts, newest = found.counts, found.newest
    table = Table("reason", "supplier", "records")
    for (reason, supplier), count in counts.most_common(_MOST_GROUPS):
        table.add_row(plain(reason, 30), plain(supplier, 40), f"{count:,}")
    if len(counts) > _MOST_GROUPS:
        table.add_row(OTHERS, OTHERS, f"{counts.total() - sum(n for _, n in counts.most_common(30)):,}")
    records: list[RenderableType] = []
    for one in newest:
        head = f"{one.id}  {shown_time(one.arrived_at)}  {one.reason}, "
        records += [
            plain(f"{head}{escaped(one.supplier or UNKNOWN, 64)}"),
            plain(f"  {escaped(one.message, max(output.width - 2, 20))}"),
        ]
        if (claim := begun_fix(begun, one)) is not None:
            records.append(plain(f"  fix begun {claim.text()}", 300))
    shown: list[RenderableType] = [Text(counted(counts.total(), "quarantined record"))]
    if found.begun:
        shown.append(Text(f"a fix of {found.begun:,} was begun, and nothing says that it was sent: {FINISH}"))
    if counts:
        shown += [table]
    if newest:
        shown += [Text(f"the newest {len(newest):,}:"), *records]
    document = {
        "records": counts.total(),
        "counts": found.counts_document(),
        "fixes_begun": found.begun,
        "newest": [document_of(one, marks, begun) for one in newest],
        "damaged": [asdict(one) for one in found.damaged],
    }
    output.data(document, *shown, *damaged_lines(found.damaged))
