"""The proof of compliance: the fold of the archive against the table, field by field.

The fold and the table are spilled into partitions by product, and each partition is compared in memory.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.connections import Connections
from catalog.replay.partitions import PARTITIONS, fold_objects, folded, keys_of, spill, spill_folder, spilled
from catalog.replay.sources import Source
from catalog.replay.workers import Plan, Worker, Workers, together
from catalog.row_checks import EVENT_TIME_CHARACTERS, inside_value, newest_event_time
from processor.archive_replay import ReplayReport, Selection
from processor.fold import ROW_COLUMNS
from processor.product import REGISTERS

if TYPE_CHECKING:
    import asyncpg

MISSING_ROW = "missing_row"
EXTRA_ROW = "extra_row"
BEHIND = "behind"
AHEAD = "ahead"
OTHER_VALUE = "other_value"
LAST_UPDATED = "last_updated"
_ROWS_PER_FETCH = 5_000
_MAX_KNOWN = 100_000
# As text in the form of versions: asyncpg cannot read every moment that PostgreSQL has.
_LAST_UPDATED = """to_char(last_updated AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_COLUMNS = ", ".join(("product_id", *ROW_COLUMNS, _LAST_UPDATED))
_ALL = f"SELECT {_COLUMNS} FROM products ORDER BY product_id"  # noqa: S608 our own names
_SOME = f"SELECT {_COLUMNS} FROM products WHERE product_id = ANY($1) ORDER BY product_id"  # noqa: S608
_WIDTH = len(REGISTERS)


class Said(NamedTuple):
    """A field's value inside, and the version that wrote it; None: there is none."""

    value: Any
    version: str | None


@dataclass(kw_only=True, slots=True)
class Difference:
    """One field of one product. `kind`: one of the constants of this module.

    `archive`, `table`: what each says; None: it does not know the product, or the field's version.
    """

    product_id: str
    field: str
    kind: str
    archive: Said | None
    table: Said | None
    explanation: str = ""


@dataclass(kw_only=True, slots=True)
class Comparison:
    """How many products were compared, and the differences: all counted by kind, some kept.

    `known`: of the products that were asked for, those with an update or a row.
    """

    products: int = 0
    known: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    applied_meanwhile: int = 0


async def compare(
    connections: Connections,
    plan: Plan,
    source: Source,
    *,
    workers: int,
    limit: int,
    advance: Callable[[int], None],
) -> tuple[ReplayReport, Comparison]:
    """Fold the archive and compare it with the table; keep the first `limit` differences by product.

    The table is read first, in one snapshot, so that its updates are in the archive by the time that is read.
    `advance` is called with numbers of objects.
    """
    report, found = ReplayReport(), Comparison()

    async def read(_: int, part: ReplayReport) -> None:
        report.add(part)
        advance(part.objects)

    async def compared(_: int, part: Comparison) -> None:
        found.products += part.products
        found.known |= part.known
        found.kinds += part.kinds
        found.applied_meanwhile += part.applied_meanwhile
        found.differences = sorted(found.differences + part.differences, key=_order)[:limit]

    pool = await connections.database()
    with Workers(plan, workers) as processes:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            # The first statement takes the snapshot.
            defaults = await _unset_values(connection)
            await together(
                _spill_table(connection, plan),
                processes.run(fold_objects, keys_of(source, plan), read),
            )
        await processes.run(_compare_partition, _partitions(defaults, limit), compared)
    return report, found


async def _partitions(defaults: Sequence[Any], limit: int) -> AsyncIterator[tuple[int, Sequence[Any], int]]:
    for number in range(PARTITIONS):
        yield number, defaults, limit


async def _unset_values(connection: Any) -> Sequence[Any]:
    """Return what each register is until it is set, as a value inside."""
    unset = (register.stored.format(f"NULL::{register.parameter}") for register in REGISTERS.values())
    return _Inside().values(await connection.fetchrow(f"SELECT {', '.join(unset)}"))


async def _spill_table(connection: Any, plan: Plan) -> None:
    """Spill the rows of the table."""
    if plan.spill is None:
        raise ValueError("the plan has no folder for rows")
    products, inside = plan.selection.products, _Inside()
    cursor = await (
        connection.cursor(_ALL) if products is None else connection.cursor(_SOME, sorted(products))
    )
    while rows := await cursor.fetch(_ROWS_PER_FETCH):
        spill(plan.spill, "table", [inside.row(row) for row in rows])


class _Inside:
    """Turns columns into values inside, which the fold has; remembers the values that it has seen."""

    def __init__(self) -> None:
        self._known: list[tuple[str, dict[Any, Any]]] = [(name, {}) for name in REGISTERS]

    def values(self, columns: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(
            known[column] if column in known else self._learn(name, known, column)
            for (name, known), column in zip(self._known, columns, strict=True)
        )

    def row(self, row: "asyncpg.Record") -> tuple[Any, ...]:
        """Return product, values inside, versions, and the newest event time as versions have it."""
        columns = tuple(row)
        newest = columns[-1] or "infinity"
        values = self.values(columns[1 : 1 + _WIDTH])
        return columns[0], (*values, *columns[1 + _WIDTH : -1]), newest

    @staticmethod
    def _learn(name: str, known: dict[Any, Any], column: Any) -> Any:
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known[column] = inside_value(name, column)
        return known[column]


async def _compare_partition(worker: Worker, task: tuple[int, Sequence[Any], int]) -> Comparison:
    number, defaults, limit = task
    folder, selection = spill_folder(worker), worker.plan.selection
    folding = folded(folder, number)
    archive = dict(folding.changes())
    found, differing = Comparison(products=len(archive)), list[Difference]()
    asked = selection.products or frozenset()
    found.known = set(archive) & asked
    for part in spilled(folder, number, "table"):
        for product_id, row, newest in part:
            if product_id in asked:
                found.known.add(product_id)
            said = archive.pop(product_id, None)
            if said is None:
                found.products += 1
            elif _is_equal(said, row, newest, defaults):
                continue
            differing += _row_differences(product_id, said, row, newest, defaults, selection)
    for product_id, said in archive.items():
        differing += _missing(product_id, said)
    differing = await _without_applied(worker, differing, found)
    found.kinds = Counter(one.kind for one in differing)
    found.differences = sorted(differing, key=_order)[:limit]
    return found


def _is_equal(said: Sequence[Any], row: Sequence[Any], newest: str, defaults: Sequence[Any]) -> bool:
    """Return whether there is no difference, which is nearly always so; `_row_differences` says which."""
    versions = row[_WIDTH:]
    values = [
        default if version is None else value
        for value, version, default in zip(said[:_WIDTH], versions, defaults, strict=True)
    ]
    return (
        [*said[_WIDTH:]] == [*versions]
        and values == [*row[:_WIDTH]]
        and max(version or "" for version in versions)[:EVENT_TIME_CHARACTERS] == newest
    )


def _row_differences(
    product_id: str,
    said: Sequence[Any] | None,
    row: Sequence[Any],
    newest: str,
    defaults: Sequence[Any],
    selection: Selection,
) -> list[Difference]:
    """Return the differences of a product that the table has."""
    found = []
    for place, name in enumerate(REGISTERS):
        held = Said(row[place], row[place + _WIDTH])
        told = Said(said[place], said[place + _WIDTH]) if said is not None else Said(None, None)
        if told.version == held.version:
            expected = defaults[place] if told.version is None else told.value
            if held.value != expected:
                found.append(_difference(product_id, name, OTHER_VALUE, Said(expected, told.version), held))
        elif held.version is None or (told.version is not None and told.version > held.version):
            found.append(_difference(product_id, name, BEHIND, told, held))
        elif _is_selected(held.version, selection):
            kind = AHEAD if said is not None else EXTRA_ROW
            found.append(_difference(product_id, name, kind, told, held))
    versions = [version for version in row[_WIDTH:] if version is not None]
    if not versions and said is None and selection == Selection(products=selection.products):
        found.append(
            _difference(product_id, "product_id", EXTRA_ROW, Said(None, None), Said(product_id, None))
        )
    latest = newest_event_time(versions)
    if latest not in (None, newest):
        found.append(
            _difference(product_id, "last_updated", LAST_UPDATED, Said(latest, None), Said(newest, None))
        )
    return found


def _missing(product_id: str, said: Sequence[Any]) -> list[Difference]:
    return [
        _difference(product_id, name, MISSING_ROW, Said(said[place], said[place + _WIDTH]), None)
        for place, name in enumerate(REGISTERS)
        if said[place + _WIDTH] is not None
    ]


def _difference(
    product_id: str, name: str, kind: str, archive: Said | None, table: Said | None
) -> Difference:
    return Difference(product_id=product_id, field=name, kind=kind, archive=archive, table=table)


async def _without_applied(
    worker: Worker, differing: list[Difference], found: Comparison
) -> list[Difference]:
    """Leave out what has reached the table since its snapshot: the archive was read later."""
    behind = sorted({one.product_id for one in differing if one.kind in (BEHIND, MISSING_ROW)})
    if not behind:
        return differing
    rows, inside = {}, _Inside()
    for start in range(0, len(behind), _ROWS_PER_FETCH):
        for row in await worker.rows(_SOME, behind[start : start + _ROWS_PER_FETCH]):
            product_id, values, _ = inside.row(row)
            rows[product_id] = dict(zip(ROW_COLUMNS, values, strict=True))
    left = []
    for one in differing:
        now = rows.get(one.product_id, {}).get(f"{one.field}_version")
        wanted = one.archive.version if one.archive is not None else None
        if one.kind in (BEHIND, MISSING_ROW) and now is not None and wanted is not None and now >= wanted:
            found.applied_meanwhile += 1
        else:
            left.append(one)
    return left


def arrival_ms_of(version: str | None) -> int | None:
    """Return when the update of a version arrived; None if it is no version of the processor's."""
    last = (version or "").rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 16 else None


def arrived(version: str) -> str:
    """Return when the update of a version arrived, for people."""
    arrival_ms = arrival_ms_of(version)
    if arrival_ms is None:
        return "at no time that it says"
    return datetime.fromtimestamp(arrival_ms / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def _is_selected(version: str, selection: Selection) -> bool:
    """Return whether the version's update is one that the fold should have; an odd version should not be."""
    arrival_ms = arrival_ms_of(version)
    return arrival_ms is None or selection.begin_ms <= arrival_ms < selection.end_ms


def _order(one: Difference) -> tuple[str, str]:
    return one.product_id, one.field
