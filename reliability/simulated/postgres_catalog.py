"""The catalog's tables in the simulated PostgreSQL, and the statements of the processor and the readers.

A statement is recognised by its text. One that is not known is an error, so a new one is added here. What
SQL means is for real PostgreSQL to say: `tests/integration/test_simulated_postgres.py` compares the two.
Here is when it locks, waits, commits and fails.
"""

import json
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from reliability.history import REFUSED_INVENTORY
from reliability.simulated import postgres_wire as wire
from reliability.simulated.postgres import ROW_SECONDS, Database, Plan, Wait, Work
from reliability.simulated.postgres_wire import Shape, SqlError
from reliability.simulated.world import World

_COLUMNS = re.compile(r"AS change \(([^)]*)\)")
_DEFAULTS: dict[str, Any] = {"inventory": 0, "price": None, "discontinued": False}
_FIELDS: dict[str, Callable[[str], Any]] = {
    "inventory": int,
    "price": lambda cents: Decimal(cents) / 100,
    "discontinued": lambda text: text.lower() == "true",
}
_TYPES = {
    "inventory": wire.INT4,
    "price": wire.NUMERIC,
    "discontinued": wire.BOOL,
    "last_updated": wire.TIMESTAMPTZ,
}
_UPSERTED = (("changed", wire.INT8), ("invalidations_pending", wire.BOOL))


class Row(NamedTuple):
    """A row of `products`: each field's value and version."""

    values: dict[str, Any]
    versions: dict[str, str]
    last_updated: datetime


@dataclass(slots=True)
class Tables:
    """What is committed. `history`: product → (time, row), in order, of all its states."""

    world: World
    products: dict[str, Row] = field(default_factory=dict)
    history: dict[str, list[tuple[float, Row]]] = field(default_factory=dict)
    pending: dict[str, tuple[int, float]] = field(default_factory=dict)
    marks: dict[tuple[str, str, str], float] = field(default_factory=dict)
    drain: tuple[str, float] = ("", float("-inf"))
    next_id: int = 1

    def write(self, rows: dict[str, Row]) -> None:
        """Commit rows of products."""
        for product_id, row in rows.items():
            self.products[product_id] = row
            self.history.setdefault(product_id, []).append((self.world.now, row))
        if rows:
            self.world.note(f"postgres: commits {rows}")


class Catalog:
    """Finds a statement's plan by its text."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tables = Tables(world)
        self.server: Database
        self._known: dict[str, Plan] = {}

    def plan(self, text: str) -> Plan:
        """Return a statement's shape and work. Raises: SqlError."""
        plan = self._known.get(text)
        if plan is None:
            for pattern, make in _STATEMENTS:
                if re.search(pattern, text, re.DOTALL):
                    plan = self._known[text] = make(self, text)
                    break
            else:
                raise SqlError("42601", f"a statement that the simulation does not know: {text[:200]}")
        return plan

    def write_begins(self) -> None:
        """Check that the server takes writes. Raises: SqlError."""
        if self.server.is_read_only:
            raise SqlError("25006", "cannot execute in a read-only transaction")

    def apply(self, changes: Sequence[dict[str, str | None]]) -> Generator[Wait, None, dict[str, Row]]:
        """Lock each change's row, in order; return the rows to write."""
        written: dict[str, Row] = {}
        self.write_begins()
        for change in changes:
            product_id = str(change["product_id"])
            yield "products", product_id
            yield self.server.row_seconds
            row = _changed(written.get(product_id) or self.tables.products.get(product_id), change)
            if row is not None:
                written[product_id] = row
        return written


def _changed(held: Row | None, change: dict[str, str | None], *, checks: bool = True) -> Row | None:
    """Return the row with what is newer in a change; None if nothing is.

    `checks`: the table's CHECKs look at it. Raises: SqlError.
    """
    values, versions = (dict(held.values), dict(held.versions)) if held else (dict(_DEFAULTS), {})
    is_changed = False
    for name, read in _FIELDS.items():
        version, text = change[f"{name}_version"], change[name]
        if version is not None and version > versions.get(name, ""):
            values[name] = read(text) if text is not None else _DEFAULTS[name]
            versions[name] = version
            is_changed = True
        # The CHECK looks at the row that would be inserted, also where a conflict makes it an update.
        if checks and name == "inventory" and text is not None and int(text) == REFUSED_INVENTORY:
            raise SqlError(
                "23514", 'new row for relation "products" violates check constraint "not_the_beast"'
            )
    if not is_changed:
        return None
    newest = datetime.fromisoformat(max(versions.values())[:26] + "+00:00")
    return Row(values, versions, max(newest, held.last_updated) if held else newest)


def _changes(text: str, arguments: Sequence[str]) -> list[dict[str, str | None]]:
    found = _COLUMNS.search(text)
    names = found[1].removesuffix(", position").split(", ") if found else []
    columns = [argument.split("\n") if argument else [] for argument in arguments]
    length = max(map(len, columns))
    padded = [column + [""] * (length - len(column)) for column in columns]
    return [
        dict(zip(names, (value or None for value in row), strict=True)) for row in zip(*padded, strict=True)
    ]


def _upsert(catalog: Catalog, text: str) -> Plan:
    def work(*arguments: str) -> Work:
        is_pending = bool(catalog.tables.pending)
        written = yield from catalog.apply(_changes(text, arguments))
        catalog.tables.write(written)
        return [(len(written), is_pending)], "SELECT 1"

    count = text.count("string_to_array")
    return Shape([wire.TEXT] * count, _UPSERTED), work


def _one_by_one(catalog: Catalog, _: str) -> Plan:
    def work(_statement: str, _fits: str, changes: list[str], _written: list[str]) -> Work:
        found: list[tuple[Any, ...]] = []
        written: dict[str, Row] = {}
        changed = 0
        catalog.write_begins()
        for position, text in enumerate(changes):
            change = {name: None if value is None else str(value) for name, value in json.loads(text).items()}
            product_id = str(change["product_id"])
            yield "products", product_id
            yield catalog.server.row_seconds
            try:
                row = _changed(written.get(product_id) or catalog.tables.products.get(product_id), change)
            except SqlError as refusal:
                found.append((position, str(refusal), None, None))
                continue
            if row is not None:
                written[product_id] = row
                changed += 1
        catalog.tables.write(written)
        found.append((None, None, changed, bool(catalog.tables.pending)))
        return found, f"SELECT {len(found)}"

    columns = (("refused", wire.INT4), ("message", wire.TEXT), *_UPSERTED)
    return Shape([wire.TEXT, wire.TEXT, wire.TEXTS, wire.TEXTS], columns), work


def _outdated(catalog: Catalog, text: str) -> Plan:
    def work(*arguments: str) -> Work:
        changes = _changes(text, arguments)
        products = dict(catalog.tables.products)
        yield catalog.server.row_seconds * len(changes) / 20  # reading costs less than writing
        changed = [
            (position,)
            for position, change in enumerate(changes, 1)
            if _changed(products.get(str(change["product_id"])), change, checks=False)
        ]
        return list(changed), f"SELECT {len(changed)}"

    return Shape([wire.TEXT] * text.count("string_to_array"), [("position", wire.INT8)]), work


def _read(catalog: Catalog, text: str) -> Plan:
    names = text.split(" FROM ")[0].removeprefix("SELECT ").split(", ")

    def work(product_id: str) -> Work:
        yield ROW_SECONDS
        row = catalog.tables.products.get(product_id)
        if row is None:
            return [], "SELECT 0"
        values = {"product_id": product_id, "last_updated": row.last_updated, **row.values}
        return [tuple(values[name] for name in names)], "SELECT 1"

    return Shape([wire.TEXT], [(name, _TYPES.get(name, wire.TEXT)) for name in names]), work


def _add_pending(catalog: Catalog, _: str) -> Plan:
    def work(product_ids: list[str]) -> Work:
        catalog.write_begins()
        tables = catalog.tables
        for product_id in product_ids:
            yield "pending", product_id
        yield ROW_SECONDS
        for product_id in product_ids:
            tables.pending[product_id] = tables.next_id, tables.world.now
            tables.next_id += 1
        tables.world.note(f"postgres: pending {product_ids}")
        return [], f"INSERT 0 {len(product_ids)}"

    return Shape([wire.TEXTS]), work


def _pending(catalog: Catalog, _: str) -> Plan:
    def work(process_id: str, seconds: float, after: str, limit: int) -> Work:
        catalog.write_begins()
        tables = catalog.tables
        yield "drain", ""
        held_by, until = tables.drain
        if held_by != process_id and until >= tables.world.now:
            return [], "SELECT 0"
        found = sorted(tables.pending.items())
        yield ROW_SECONDS
        tables.drain = process_id, tables.world.now + seconds
        page = [(entry[0], product_id) for product_id, entry in found if product_id > after][:limit]
        return list(page) or [(None, None)], "SELECT"

    shape = Shape(
        [wire.TEXT, wire.FLOAT8, wire.TEXT, wire.INT8], [("id", wire.INT8), ("product_id", wire.TEXT)]
    )
    return shape, work


def _remove_pending(catalog: Catalog, _: str) -> Plan:
    def work(product_ids: list[str], ids: list[int], *_bounds: str) -> Work:
        catalog.write_begins()
        tables = catalog.tables
        for product_id in sorted(product_ids):
            yield "pending", product_id
        yield ROW_SECONDS
        found = [
            product_id
            for product_id, number in zip(product_ids, ids, strict=True)
            if tables.pending.get(product_id, (None,))[0] == number
        ]
        for product_id in found:
            del tables.pending[product_id]
        tables.world.note(f"postgres: no longer pending {found}")
        return [], f"DELETE {len(found)}"

    return Shape([wire.TEXTS, wire.INT8S, wire.TEXT, wire.TEXT]), work


def _end_drain(catalog: Catalog, _: str) -> Plan:
    def work(process_id: str) -> Work:
        catalog.write_begins()
        yield "drain", ""
        if catalog.tables.drain[0] == process_id:
            catalog.tables.drain = process_id, float("-inf")
        return [], "UPDATE 1"

    return Shape([wire.TEXT]), work


def _remove_expired(catalog: Catalog, _: str) -> Plan:
    def work(seconds: float, limit: int) -> Work:
        catalog.write_begins()
        tables = catalog.tables
        oldest = tables.world.now - seconds
        found = [product_id for product_id, (_, missed_at) in tables.pending.items() if missed_at < oldest]
        for product_id in sorted(found[:limit]):
            yield "pending", product_id
        yield ROW_SECONDS
        gone = [name for name in found[:limit] if name in tables.pending and tables.pending[name][1] < oldest]
        for product_id in gone:
            del tables.pending[product_id]
        return [], f"DELETE {len(gone)}"

    return Shape([wire.FLOAT8, wire.INT8]), work


def _mark(catalog: Catalog, _: str) -> Plan:
    def work(shard: str, number: str, process_id: str) -> Work:
        catalog.write_begins()
        marks = catalog.tables.marks
        others = [
            (key[2],) for key, at in marks.items() if key[:2] == (shard, number) and key[2] != process_id
        ]
        yield ROW_SECONDS
        marks[shard, number, process_id] = catalog.world.now
        return others, f"SELECT {len(others)}"

    return Shape([wire.TEXT, wire.TEXT, wire.TEXT], [("process_id", wire.TEXT)]), work


def _clear_marks(catalog: Catalog, text: str) -> Plan:
    parameters = [wire.TEXT] * text.count("$")

    def work(*key: str) -> Work:
        catalog.write_begins()
        yield ROW_SECONDS
        marks = catalog.tables.marks
        begin = 0 if len(key) > 1 else 2
        gone = [mark for mark in marks if key and mark[begin : begin + len(key)] == key]
        for mark in gone:
            del marks[mark]
        return [], f"DELETE {len(gone)}"

    return Shape(parameters), work


def _always(*row: Any, columns: Sequence[tuple[str, int]] = (), parameters: Sequence[int] = ()) -> Any:
    def make(_catalog: Catalog, _text: str) -> Plan:
        def work(*_: Any) -> Work:
            yield 0.0
            return ([row] if columns else []), "SELECT 1"

        return Shape(parameters, columns), work

    return make


# asyncpg asks what bigint[] is, which it does not know by itself.
_TYPE_INFO = {
    "oid": (wire.OID, wire.INT8S),
    "ns": (wire.TEXT, "pg_catalog"),
    "name": (wire.TEXT, "_int8"),
    "kind": (wire.CHAR, "b"),
    "basetype": (wire.OID, None),
    "elemtype": (wire.OID, wire.INT8),
    "elemdelim": (wire.CHAR, ","),
    "range_subtype": (wire.OID, None),
    "attrtypoids": (wire.OIDS, None),
    "attrnames": (wire.TEXTS, None),
    "depth": (wire.INT4, 0),
    "basetype_name": (wire.TEXT, None),
    "elemtype_name": (wire.TEXT, "int8"),
    "range_subtype_name": (wire.TEXT, None),
}
_STATEMENTS: list[tuple[str, Callable[[Catalog, str], Plan]]] = [
    (r"^\s*SELECT\s*$", _always()),
    (r"WITH changed AS \(\s+INSERT INTO products AS held .*unnest\(string_to_array", _upsert),
    (r"FROM apply_one_by_one\(", _one_by_one),
    (r"^\s*SELECT change.position FROM unnest\(string_to_array", _outdated),
    (r"^SELECT product_id, .* FROM products WHERE product_id = \$1$", _read),
    (r"^\s*INSERT INTO pending_invalidation ", _add_pending),
    (r"UPDATE invalidation_drain SET held_by = \$1", _pending),
    (r"^UPDATE invalidation_drain SET held_until = '-infinity'", _end_drain),
    (r"^\s*DELETE FROM pending_invalidation\s+WHERE product_id BETWEEN", _remove_pending),
    (r"^\s*DELETE FROM pending_invalidation WHERE ctid", _remove_expired),
    (r"INSERT INTO processing_attempt", _mark),
    (r"^DELETE FROM processing_attempt WHERE", _clear_marks),
    (r"pg_relation_size\('pending_invalidation'\)", _always(None, columns=[("no", wire.BOOL)])),
    (
        r"typeinfo_tree",
        _always(
            *(value for _, value in _TYPE_INFO.values()),
            columns=[(name, oid) for name, (oid, _) in _TYPE_INFO.items()],
            parameters=[wire.OIDS],
        ),
    ),
    (r"current_setting\('jit'\)", _always("off", "off", columns=[("cur", wire.TEXT), ("new", wire.TEXT)])),
]
