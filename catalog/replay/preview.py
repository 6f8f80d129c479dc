"""What a replay would do: the fold of everything that it would read, compared with the table."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from catalog.product_history import column_value
from catalog.replay.partitions import PARTITIONS, fold_objects, folded, keys_of, spill_folder
from catalog.replay.sources import Source
from catalog.replay.workers import Plan, Worker, Workers
from processor.archive_replay import SAMPLE, ReplayReport
from processor.fold import ROW_COLUMNS, Change
from processor.product import REGISTERS

_ROWS_PER_QUERY = 5_000
_QUERY_SECONDS = 60.0


@dataclass(kw_only=True, slots=True)
class Preview:
    """`products`: with an update; `rows`: that would change; `sample`: what some of them would get.

    `known`: of the products that were asked for, those with an update. `restored`: products whose values
    somebody changed by hand, and which would be set.
    """

    products: int = 0
    known: set[str] = field(default_factory=set)
    rows: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)


async def preview(
    plan: Plan, source: Source, *, workers: int, has_table: bool, advance: Callable[[int], None]
) -> tuple[ReplayReport, Preview]:
    """Read the objects and compare their fold with the table; `advance` is called with numbers of objects."""
    report, found = ReplayReport(), Preview()

    async def read(_: int, part: ReplayReport) -> None:
        report.add(part)
        advance(part.objects)

    async def compared(_: int, part: Preview) -> None:
        found.products += part.products
        found.known |= part.known
        found.rows += part.rows
        found.sample += part.sample
        found.restored += part.restored

    with Workers(plan, workers) as pool:
        await pool.run(fold_objects, keys_of(source, plan), read)
        await pool.run(_outdated if has_table else _new, _partitions(), compared)
    found.sample = sorted(found.sample, key=_product)[:SAMPLE]
    return report, found


async def _partitions() -> AsyncIterator[int]:
    for number in range(PARTITIONS):
        yield number


async def _outdated(worker: Worker, number: int) -> Preview:
    changes = folded(spill_folder(worker), number).changes()
    catalog, outdated = await worker.catalog(), list[Change]()
    found = _counted(worker, changes)
    for start in range(0, len(changes), _ROWS_PER_QUERY):
        part = changes[start : start + _ROWS_PER_QUERY]
        outdated = await catalog.outdated(part, within_seconds=_QUERY_SECONDS)
        found.rows += len(outdated)
        found.sample += [_shown(change) for change in outdated[: SAMPLE - len(found.sample)]]
        found.restored += await worker.differing(part)
    return found


async def _new(worker: Worker, number: int) -> Preview:
    changes = folded(spill_folder(worker), number).changes()
    found = _counted(worker, changes)
    found.rows, found.sample = len(changes), [_shown(each) for each in changes[:SAMPLE]]
    return found


def _counted(worker: Worker, changes: list[Change]) -> Preview:
    asked = worker.plan.selection.products or frozenset()
    return Preview(products=len(changes), known={change.product_id for change in changes} & asked)


def _shown(change: Change) -> dict[str, Any]:
    values = dict(zip(ROW_COLUMNS, change.row, strict=True))
    return {"product_id": change.product_id} | {
        name: {"value": column_value(name, values[name]), "version": values[f"{name}_version"]}
        for name in REGISTERS
        if values[f"{name}_version"] is not None
    }


def _product(shown: dict[str, Any]) -> str:
    return str(shown["product_id"])
