"""`catalog diff`: the archive's fold against the table."""

import tempfile
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from catalog.commands.replay_options import (
    CORES,
    Folder,
    From,
    Products,
    To,
    WorkerCount,
)
from catalog.commands.replay_products import (
    read_products,
    say_foreign,
    say_many_objects,
    say_unknown,
    without_of,
)
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.options import AsJson, EnvironmentName
from catalog.product_history import column_value, shown_value
from catalog.replay.compare import Comparison, Difference, Said, compare
from catalog.replay.explain import explain
from catalog.replay.findings import findings_document, findings_text
from catalog.replay.workers import Plan, open_source
from catalog.running import run
from catalog.terminal_text import counted, safe
from catalog.times import begin_ms, end_ms
from processor.archive_replay import ReplayReport, Selection

# Each explanation reads an object.
_EXPLAINED = 50
_WIDEST = 600


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)


def diff(
    env: EnvironmentName = None,
    as_json: AsJson = False,
    begin: From = None,
    end: To = None,
    product: Products = None,
    source: Folder = None,
    limit: int = typer.Option(
        20, "--limit", min=1, help="How many differences are printed; all are counted."
    ),
    workers: WorkerCount = CORES,
) -> None:
    """Compare the archive with the catalog, field by field: the proof that every update was applied.

    Folds every accepted update of the archive and compares it with the table, read in one snapshot. With
    --from and --to only fields that an update of that time wrote. Exits with 1 if there is any difference.

    Kinds: missing_row, extra_row (no update of the archive names it), behind (the archive has a newer
    version), ahead (the row has a version that is not in the archive), other_value (the same version, another
    value), last_updated.

    JSON: {products, differences: n, kinds: {kind: n}, applied_meanwhile, shown: [{product_id, field, kind,
    archive: {value, version}, table: {value, version}, explanation}]} and the counts of `catalog replay`.

    Examples:

        catalog diff --env prod
        catalog diff --from 2026-11-01 --to 2026-11-30 --json | jq .kinds
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        selection = Selection(begin_ms(begin, "--from"), end_ms(end, "--to"), read_products(product))
        if selection.begin_ms >= selection.end_ms:
            raise UsageError("--from is later than --to: no update is in between")
        environment = connections.environment
        without = await without_of(connections, selection, None, None, output)
        with tempfile.TemporaryDirectory(prefix="catalog-diff-") as folder:
            plan = Plan(
                environment=environment,
                selection=selection,
                folder=source,
                spill=Path(folder),
                without=without,
            )
            objects = await open_source(plan, connections)
            with output.progress("objects read") as advance:
                report, found = await compare(
                    connections, plan, objects, workers=workers, limit=limit, advance=advance
                )
        say_foreign(output, objects)
        for one in found.differences[:_EXPLAINED]:
            one.explanation = await explain(one, objects, connections, report.newest_arrival_ms)
        _print(output, report, found)
        if selection.products:
            say_many_objects(output, report.objects, begin)
        unknown = say_unknown(output, "no update and no row of", selection, found.known)
        return 1 if found.kinds or unknown or not report.is_clean else 0

    run(env, output, command)


def _print(output: Output, report: ReplayReport, found: Comparison) -> None:
    differences = found.kinds.total()
    document = findings_document(report) | {
        "products": found.products,
        "differences": differences,
        "kinds": dict(found.kinds),
        "applied_meanwhile": found.applied_meanwhile,
        "shown": [_document(one) for one in found.differences],
    }
    lines = []
    for one in found.differences:
        table = "no row" if one.table is None else _shown(one.field, one.table)
        sides = f"archive {_shown(one.field, one.archive)}, table {table}"
        lines.append(f"{safe(one.product_id)} {one.field}: {one.kind}: {sides}")
        if one.explanation:
            lines.append(f"  {safe(one.explanation, _WIDEST)}")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items()))
    summary = f"{findings_text(report)}\n{counted(found.products, 'product')}: " + (
        f"{counted(differences, 'difference')} ({kinds})" if differences else "no difference"
    )
    if differences > len(found.differences):
        summary += f"; the first {len(found.differences)} are"
    output.data(document, Text("\n".join([summary, *lines])))


def _document(one: Difference) -> dict[str, Any]:
    return {
        "product_id": one.product_id,
        "field": one.field,
        "kind": one.kind,
        "archive": one.archive and _said_document(one.field, one.archive),
        "table": one.table and _said_document(one.field, one.table),
        "explanation": one.explanation,
    }


def _said_document(field: str, said: Said) -> dict[str, Any]:
    return {"value": column_value(field, said.value), "version": said.version}


def _shown(field: str, said: Said | None) -> str:
    return safe(shown_value(field, None if said is None else said.value), 40)
