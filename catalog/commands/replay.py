"""`catalog replay`: the archive's updates again, into the catalog or into a table beside it."""

import asyncio
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from catalog.changes import is_confirmed, require_reason
from catalog.commands.replay_products import read_products, say_many_objects, say_unknown
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import INTERRUPTED, UsageError
from catalog.operations import Operation, recorded
from catalog.options import AsJson, EnvironmentName, Reason, Yes
from catalog.replay.apply import COMMAND, apply, make_table, quoted_table, table_exists, unfinished
from catalog.replay.as_of import accepted_later
from catalog.replay.findings import findings_document, findings_text
from catalog.replay.preview import preview
from catalog.replay.workers import Plan, open_source
from catalog.running import run
from catalog.terminal_text import counted, safe
from catalog.times import begin_ms, end_ms, fixed_time, read_time
from processor.adapters.upsert import PRODUCTS
from processor.archive_replay import SAMPLE, ReplayReport, Selection

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="The earliest arrival: a day, a time, an age (6h). Default: all.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="The latest arrival; a day counts whole. Default: all.", show_default=False),
]
Products = Annotated[
    list[str] | None,
    typer.Option(
        "--product", help="Only this one, or - for lines of stdin; again for more.", show_default=False
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--source",
        help="A folder with a copy of the archive's objects, instead of the bucket.",
        show_default=False,
    ),
]
WorkerCount = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Processes, each with a connection to the database.")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Objects at most; --resume goes on after them.", show_default=False),
]
Rate = Annotated[
    float | None,
    typer.Option("--rate", min=1, help="Products a second that are written at most.", show_default=False),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the interrupted one of the same arguments.")
]
Restore = Annotated[
    bool,
    typer.Option("--restore", help="First set values that somebody changed by hand. With --product."),
]
CORES = os.cpu_count() or 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    env: EnvironmentName = None,
    as_json: AsJson = False,
    begin: From = None,
    end: To = None,
    product: Products = None,
    as_of: str | None = typer.Option(
        None, "--as-of", help="Only updates that the catalog could have by then.", show_default=False
    ),
    into: str | None = typer.Option(
        None, "--into", help="A table in the schema replay, made if missing.", show_default=False
    ),
    source: Folder = None,
    limit: Limit = None,
    rate: Rate = None,
    workers: WorkerCount = CORES,
    resume: Resume = False,
    restore: Restore = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Apply the archive's updates again: to the catalog, or to a table that shows it as it was.

    Safe on the live catalog: a field changes only if the update is newer, and what changed is invalidated.
    It cannot bring back a value that a newer one replaced (use --into), rejected records (`catalog
    quarantine`), or lines that the lifecycle rules have deleted. Without --yes it reads everything and
    prints what would change. --as-of counts a fixed or redriven record from its repair, a failed batch from
    its arrival. --restore sets fields to what their update in the archive says (`catalog diff`:
    other_value, last_updated). Ctrl-C and --limit end it between two objects; --resume takes the same ones.

    JSON: {objects, lines, updates, rejected, outside, findings: {kind: n}, damaged, refused: {product: why},
    samples: [text]}; of a dry run also {products, rows, sample: [{product_id, FIELD: {value, version}}],
    restored: [product]}; of a replay {operation, rows_changed, pending_invalidations_added}.

    Examples:

        catalog replay --env prod --from 2026-11-01 --to 2026-11-02 --yes --reason "restored a snapshot"
        catalog replay --as-of 2026-11-27T18:00:00Z --product product123 --into friday --yes --reason audit
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        reason_given = require_reason(reason, yes=yes)
        last = min(end_ms(end, "--to"), end_ms(as_of, "--as-of"))
        selection = Selection(begin_ms(begin, "--from"), last, read_products(product))
        if selection.begin_ms >= selection.end_ms:
            raise UsageError("--from is later than --to or --as-of: no update is in between")
        if restore and (selection.products is None or into is not None):
            raise UsageError("--restore needs --product, and no --into")
        arguments = _arguments(selection, begin, end, as_of, into, source) | {"restore": restore}
        plan = Plan(
            environment=connections.environment,
            selection=selection,
            folder=source,
            limit=limit,
            table=PRODUCTS if into is None else quoted_table(into),
            rate=rate and rate / workers,
            unknown=await _unknown(connections, as_of, into, output),
            restores=restore,
        )
        replaying = _Replaying(connections, output, plan, workers, arguments)
        if resume:
            await replaying.resume()
        if not yes and not await replaying.is_agreed():
            return 1 if replaying.has_findings else 0
        return await replaying.run(reason_given)

    run(env, output, command)


class _Replaying:
    """One replay: its dry run, and its run."""

    def __init__(
        self, connections: Connections, output: Output, plan: Plan, workers: int, arguments: dict[str, Any]
    ) -> None:
        self.has_findings = False
        self._connections = connections
        self._output = output
        self._plan = plan
        self._workers = workers
        self._arguments = arguments

    async def resume(self) -> None:
        """Go on after what an interrupted replay has done."""
        operation = await unfinished(self._connections, self._arguments)
        after = operation.changes.get("done_through", "")
        self._output.say(f"going on with {operation.id}" + (f" after {after}" if after else ""))
        self._plan = replace(self._plan, after=after)

    async def is_agreed(self) -> bool:
        """Print what would change; return whether a person wants it."""
        output, plan = self._output, self._plan
        has_table = plan.table == PRODUCTS or await table_exists(self._connections, plan.table)
        with tempfile.TemporaryDirectory(prefix="catalog-replay-") as folder:
            spilling = replace(plan, rate=None, spill=Path(folder))
            source = await open_source(plan, self._connections)
            with output.progress("objects read") as advance:
                report, found = await preview(
                    spilling, source, workers=self._workers, has_table=has_table, advance=advance
                )
        unknown = say_unknown(output, "no update was read of", plan.selection, found.known)
        if plan.selection.products:
            say_many_objects(output, report.objects, self._arguments["from"])
        self.has_findings = unknown or not report.is_clean
        document = findings_document(report) | {
            "products": found.products,
            "rows": found.rows,
            "sample": found.sample,
            "restored": found.restored,
        }
        sample = Table("product", "would get")
        for one in found.sample:
            values = {name: said["value"] for name, said in one.items() if name != "product_id"}
            sample.add_row(safe(one["product_id"]), ", ".join(f"{name} {values[name]}" for name in values))
        summary = (
            f"{findings_text(report)}\n{counted(found.products, 'product')}; "
            f"{counted(found.rows, 'row')} of {plan.table} would change"
        )
        if plan.restores:
            names = ", ".join(safe(name) for name in found.restored[:SAMPLE])
            summary += f"; of {counted(len(found.restored), 'row')} values would be restored" + (
                f": {names} (`catalog diff --product` shows both sides)" if names else ""
            )
        output.data(document, summary, *([sample] if found.sample else []))
        what = f"apply them to {plan.table}"
        return is_confirmed(output, yes=False, what=what, word=plan.environment.name)

    async def run(self, reason: str) -> int:
        """Replay; print the counts."""
        output, plan, connections = self._output, self._plan, self._connections
        source = await open_source(plan, connections)
        if plan.table != PRODUCTS:
            await make_table(connections, plan.table)
        operation: Operation | None = None
        try:
            async with recorded(connections, COMMAND, reason=reason, arguments=self._arguments) as operation:
                operation.changes["done_through"] = plan.after
                with output.progress("objects replayed") as advance:
                    report = await apply(
                        connections, plan, source, operation, workers=self._workers, advance=advance
                    )
                if is_limited := report.objects == plan.limit:
                    operation.state = "interrupted"
        except asyncio.CancelledError:
            self._say_how_to_go_on(operation)
            return INTERRUPTED
        except Exception:
            self._say_how_to_go_on(operation)
            raise
        self._print(report, operation.id)
        if is_limited:
            self._say_how_to_go_on(operation)
            return 0 if report.is_clean else 1
        unknown = not report.updates and say_unknown(
            output, "no update was read of", plan.selection, frozenset()
        )
        return 1 if unknown or not report.is_clean else 0

    def _say_how_to_go_on(self, operation: Operation | None) -> None:
        if operation is not None:
            self._output.say(
                f"{operation.changes.get('objects', 0):,} objects are done. "
                "To go on, give the same arguments and --resume."
            )

    def _print(self, report: ReplayReport, operation_id: str) -> None:
        document = findings_document(report) | {
            "operation": operation_id,
            "rows_changed": report.rows_changed,
            "pending_invalidations_added": report.pending_invalidations_added,
        }
        pending = report.pending_invalidations_added
        self._output.data(
            document,
            f"{findings_text(report)}\n{counted(report.rows_changed, 'row')} of {self._plan.table} changed"
            + (f"; the cache is away: {pending:,} invalidations are pending" if pending else ""),
        )


def _arguments(
    selection: Selection,
    begin: str | None,
    end: str | None,
    as_of: str | None,
    into: str | None,
    source: Path | None,
) -> dict[str, Any]:
    """Return what `catalog history` keeps and --resume compares; an age, as the time that it means now."""
    return {
        "from": fixed_time(begin, "--from"),
        "to": fixed_time(end, "--to"),
        "as_of": fixed_time(as_of, "--as-of"),
        "products": sorted(selection.products) if selection.products is not None else None,
        "into": into,
        "source": str(source) if source is not None else None,
    }


async def _unknown(
    connections: Connections, as_of: str | None, into: str | None, output: Output
) -> frozenset[bytes]:
    """Return how lines begin that the catalog did not have at `--as-of`; say what that leaves out."""
    if as_of is None:
        return frozenset()
    if into is None:
        output.say("note: newer values stay. To see the catalog as it was then, give --into a table.")
    later = await accepted_later(connections, read_time(as_of, "--as-of", is_end=True))
    if later.records:
        output.say(f"note: without {len(later.records):,} records that were fixed or redriven after --as-of")
    if later.batches:
        output.say(
            f"note: {later.batches:,} failed batches were redriven after --as-of; their updates count from "
            "their arrival"
        )
    return later.records
