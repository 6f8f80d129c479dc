"""`catalog quarantine list`: how many records were rejected, why, whose, and the newest."""

import base64
import heapq
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

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
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import Marks, read_marks, record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined
from catalog.running import run
from catalog.terminal_text import counted, escaped, plain, safe
from catalog.times import shown_time

_MOST_GROUPS = 30
_MOST_SUPPLIERS = 10_000
_NAMED_SUPPLIERS = 10
_OTHERS = "(others)"
_UNKNOWN = "unknown"
FINISH = "`catalog quarantine fix --finish`"
_CLAIM = ("by", "at", "reason", "data_base64")

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


@dataclass(slots=True)
class _Listing:
    """What was found. `suppliers`: of all records, if one was asked for; `begun`: records with such a fix."""

    limit: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppliers: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    damaged: list[Damaged] = field(default_factory=list)
    _heap: list[tuple[int, str, Quarantined]] = field(default_factory=list)

    def add_supplier(self, found: Quarantined) -> None:
        """Count the supplier of a record, whether it was asked for or not."""
        name = found.supplier or _UNKNOWN
        self.suppliers[
            name if name in self.suppliers or len(self.suppliers) < _MOST_SUPPLIERS else _OTHERS
        ] += 1

    def add(self, found: Quarantined) -> None:
        """Count a record, and keep it if it is one of the newest."""
        group = (found.reason, found.supplier or _UNKNOWN)
        is_counted = group in self.counts or len(self.counts) < _MOST_SUPPLIERS
        self.counts[group if is_counted else (_OTHERS, _OTHERS)] += 1
        item = (found.record.arrival_ms, record_name(found.identity), found)
        if len(self._heap) < self.limit:
            heapq.heappush(self._heap, item)
        elif self.limit and item[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, item)

    @property
    def newest(self) -> list[Quarantined]:
        """The newest records, the newest first."""
        return [item[2] for item in sorted(self._heap, reverse=True)]


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
            found = await _read(connections, wanted, without, begun, limit, advance)
        _print(found, marks, begun, output)
        if supplier is not None and not found.counts:
            _say_suppliers(supplier, found.suppliers, output)
        return 1 if found.damaged else 0

    run(env, output, command)


async def _read(
    connections: Connections,
    wanted: Filter,
    without: Container[str],
    begun: Mapping[str, Claim],
    limit: int,
    advance: Callable[[int], None],
) -> _Listing:
    listing = _Listing(limit)
    # So that a supplier who does not exist is told from one without rejections.
    everybodys = replace(wanted, supplier=None)
    async for found in read_quarantined(connections, everybodys, without=without):
        if isinstance(found, Damaged):
            listing.damaged.append(found)
            continue
        if wanted.supplier is not None:
            listing.add_supplier(found)
        if wanted.has(found):
            listing.add(found)
            listing.begun += begun_fix(begun, found) is not None
            advance(1)
    return listing


def _say_suppliers(supplier: str, suppliers: Counter[str], output: Output) -> None:
    """Say whose records there are, where none is of the supplier that was asked for."""
    named = [f"{safe(name, 40)} ({count:,})" for name, count in suppliers.most_common(_NAMED_SUPPLIERS)]
    more = f" and {len(suppliers) - len(named):,} more" if len(suppliers) > len(named) else ""
    others = f"; there are records of {', '.join(named)}{more}" if named else ""
    output.say(f"no such record has the supplier {safe(repr(supplier), 60)}{others}")


def _print(found: _Listing, marks: Marks, begun: Mapping[str, Claim], output: Output) -> None:
    counts, newest = found.counts, found.newest
    table = Table("reason", "supplier", "records")
    for (reason, supplier), count in counts.most_common(_MOST_GROUPS):
        table.add_row(plain(reason, 30), plain(supplier, 40), f"{count:,}")
    if len(counts) > _MOST_GROUPS:
        table.add_row(_OTHERS, _OTHERS, f"{counts.total() - sum(n for _, n in counts.most_common(30)):,}")
    records: list[RenderableType] = []
    for one in newest:
        head = f"{one.id}  {shown_time(one.arrived_at)}  {one.reason}, "
        records += [
            plain(f"{head}{escaped(one.supplier or _UNKNOWN, 64)}"),
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
        "counts": [
            {"reason": reason, "supplier": supplier, "records": count}
            for (reason, supplier), count in counts.most_common()
        ],
        "fixes_begun": found.begun,
        "newest": [document_of(one, marks, begun) for one in newest],
        "damaged": [asdict(one) for one in found.damaged],
    }
    output.data(document, *shown, *damaged_lines(found.damaged))


def document_of(found: Quarantined, marks: Marks, begun: Mapping[str, Claim]) -> dict[str, Any]:
    """Return a record as JSON has it; `redriven`: null, "fixed" or "unchanged"."""
    name, claim = record_name(found.identity), begun_fix(begun, found)
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
        "fix_begun": claim and {each: getattr(claim, each) for each in _CLAIM},
        "redriven": "fixed" if name in marks.fixed else "unchanged" if name in marks.records else None,
    }
