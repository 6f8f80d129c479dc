"""What the catalog and the cache hold of a product now, and which archive line wrote each field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from catalog.archive_lines import Damage, Line, Located, find_line, keys_of_days
from catalog.connections import Connections
from catalog.errors import UnreachableError
from catalog.objects import Identity
from catalog.product_history import Received, history, shown_value
from catalog.product_repairs import with_repairs
from catalog.product_search import Span, judge, search
from catalog.repair.repairs import Repair
from catalog.row_checks import LAST_UPDATED, NEVER_SET, inside_value, newest_event_time, record_fault
from catalog.versions import Version, parse_version
from processor.cache_keys import lease_key, value_key
from processor.product import COLUMNS, MAX_PRODUCT_ID, MAX_VALUE_BYTES, REGISTERS, Product, cached_product
from processor.reader import CatalogReader
from processor.s3_objects import ARCHIVE_PREFIX
from processor.slices import decode_all
from processor.updates import Update

_VERSIONS = tuple(f"{name}_version" for name in REGISTERS)
# What each register is until it is set.
_UNSET = tuple(
    f"{register.stored.format(f'NULL::{register.parameter}')} AS {name}_unset"
    for name, register in REGISTERS.items()
)
_SELECT = f"SELECT {', '.join((*COLUMNS, *_VERSIONS, *_UNSET))} FROM products WHERE product_id = $1"  # noqa: S608 our own
_PENDING = "SELECT 1 FROM pending_invalidation WHERE product_id = $1"
_Origin = tuple[Line | None, Repair | None]
# A larger archive is not looked through for updates of a field that the row does not have.
_MOST_OBJECTS = 1_000
# For one row; longer only if the table is locked or the database is overloaded.
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field of the row, and the record that wrote it.

    `version`: as stored; None if no update has set the field. `written_by`: its parts; None if it has none,
    or is not one of the pipeline. `line`: the archive's; None if it is not found. `repair`: how the record
    was accepted after it had been rejected. `contradiction`: what the archive says instead of the value.
    """

    name: str
    value: object
    version: str | None
    written_by: Version | None
    line: Line | None
    supplier: str | None
    repair: Repair | None = None
    contradiction: str | None = None

    @property
    def fault(self) -> str | None:
        """What is wrong with where the value came from."""
        if self.version is None:
            return self.contradiction
        if self.written_by is None:
            return "not a version that the pipeline writes"
        return "the archive has no line of this record" if self.line is None else self.contradiction


@dataclass(frozen=True, slots=True)
class CacheState:
    """The cached copy of a product.

    `state`: `equal` (to the row), `different`, `not a product` (readers take it for a miss), `not cached`, or
    `unreachable`. `copy`: what is cached. `expires_in_seconds`: None if it never does, or may not be read.
    `is_leased`: a reader is about to store it. `fault`: what is wrong.
    """

    state: str
    copy: str | None = None
    expires_in_seconds: float | None = None
    is_leased: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class ProductState:
    """A product's row and cached copy.

    `fault`: what is wrong with `last_updated`. `is_pending`: its cached copy could not be deleted yet; None
    if that cannot be read. `is_searched`: the archive has no update of a field without a version, unless a
    fault says so; False: it is too large to be looked through.
    """

    product_id: str
    last_updated: datetime
    fault: str | None
    fields: list[FieldState]
    cache: CacheState
    is_pending: bool | None
    is_searched: bool

    @property
    def has_findings(self) -> bool:
        """Whether something is not as the pipeline leaves it."""
        return bool(self.fault or self.cache.fault or any(field.fault for field in self.fields))


async def product_state(connections: Connections, product_id: str, damage: Damage) -> ProductState | None:
    """Return what is known of a product; None if the catalog does not have it.

    `damage`: is told what of the archive cannot be read.
    """
    row = await stored_row(connections, product_id)
    if row is None:
        return None
    cache = await cache_state(connections, product_of(row))
    if cache.state == "different":
        # The row may have changed, and its cached copy not been deleted yet: look again.
        row = await stored_row(connections, product_id) or row
        cache = await cache_state(connections, product_of(row))
    archived: Mapping[str, Received | None] | None = dict.fromkeys(REGISTERS)
    if any(row[version] is None for version in _VERSIONS):
        archived = await _archived(connections, product_id, damage)
        # What was in flight may have reached the row meanwhile.
        row = await stored_row(connections, product_id) or row
    lines: dict[Identity, _Origin] = {}
    fields = [await _field(connections, name, row, archived or {}, lines, damage) for name in REGISTERS]
    return ProductState(
        product_id,
        row["last_updated"],
        _last_updated_fault(row),
        fields,
        cache,
        await _is_pending(connections, product_id),
        archived is not None,
    )


async def stored_row(connections: Connections, product_id: str) -> asyncpg.Record | None:
    """Return a product's row with its versions; None if there is none."""
    if not _can_exist(product_id):
        return None
    pool = await connections.database()
    try:
        return await pool.fetchrow(_SELECT, product_id, timeout=_ANSWER_SECONDS)
    except TimeoutError:
        raise UnreachableError(
            f"the database has not answered within {_ANSWER_SECONDS:g} s: `catalog status` says why"
        ) from None


async def read_as_shop(connections: Connections, product_id: str) -> str:
    """Read the product as the shop does, which may store it in the cache; return where it came from."""
    reader = CatalogReader(await connections.database(), connections.cache())
    try:
        await reader.get(product_id)
        return "cache" if reader.statistics.hits else "database"
    finally:
        await reader.aclose()


async def cache_state(connections: Connections, product: Product) -> CacheState:
    """Compare what is cached of a product with its row."""
    cache, key = connections.cache(), value_key(product.product_id)
    try:
        value: Any = await cache.getrange(key, 0, MAX_VALUE_BYTES)
        is_leased = await cache.get(lease_key(product.product_id)) is not None
        left_ms = await _time_to_live_ms(cache, key)
    except ResponseError as error:
        return CacheState("not a product", fault=str(error))
    except (OSError, RedisError) as error:
        return CacheState("unreachable", fault=str(error) or type(error).__name__)
    if not value:
        return CacheState("not cached", is_leased=is_leased)
    cached = cached_product(product.product_id, value)
    state = "not a product" if cached is None else "equal" if cached == product else "different"
    fault = None if state == "equal" else "the shop may see it" if state == "different" else "readers miss"
    if left_ms is not None and left_ms < 0:
        fault = "it never expires"
    return CacheState(
        state,
        value.decode("utf-8", "backslashreplace"),
        left_ms / 1000 if left_ms is not None and left_ms >= 0 else None,
        is_leased,
        fault,
    )


def _can_exist(product_id: str) -> bool:
    """Return whether PostgreSQL can hold the id: neither NUL nor a lone surrogate, 1 to 255 characters."""
    try:
        return bool(product_id.encode()) and len(product_id) <= MAX_PRODUCT_ID and "\0" not in product_id
    except UnicodeEncodeError:
        return False


def product_of(row: asyncpg.Record) -> Product:
    """Return the product of a row."""
    return Product(*(row[name] for name in COLUMNS))


def _last_updated_fault(row: asyncpg.Record) -> str | None:
    newest = newest_event_time(row[version] for version in _VERSIONS)
    try:
        held = row["last_updated"].astimezone(UTC).isoformat(timespec="microseconds")
    except (OverflowError, ValueError):  # infinity
        held = ""
    return LAST_UPDATED if newest not in (None, held.replace("+00:00", "Z")) else None


async def _archived(
    connections: Connections, product_id: str, damage: Damage
) -> Mapping[str, Received | None] | None:
    """Return the update that should have set each field; None if the archive is too large for that."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    count = 0
    async for keys in keys_of_days(s3, bucket, ARCHIVE_PREFIX, None, None):
        count += len(keys)
        if count > _MOST_OBJECTS:
            return None
    found = await search(connections, product_id, Span(), damage=damage, advance=lambda _: None)
    return history(await with_repairs(connections, product_id, found, None, damage)).state


def _unset_fault(name: str, row: asyncpg.Record, update: Received | None) -> str | None:
    """Return what is wrong with a field that has no version."""
    if row[name] != row[f"{name}_unset"]:
        return NEVER_SET
    if update is None:
        return None
    said = f"the archive has {shown_value(name, update.values[name])} ({update.key} line {update.line})"
    return f"{said}, the row has none: it was changed by hand, or the update is in flight"


async def _field(
    connections: Connections,
    name: str,
    row: asyncpg.Record,
    archived: Mapping[str, Received | None],
    lines: dict[Identity, _Origin],
    damage: Damage,
) -> FieldState:
    version = row[f"{name}_version"]
    written_by = parse_version(version) if version is not None else None
    if written_by is None:
        fault = _unset_fault(name, row, archived.get(name)) if version is None else None
        return FieldState(name, row[name], version, None, None, None, contradiction=fault)
    # One record has often written several fields.
    if written_by.identity not in lines:
        lines[written_by.identity] = await _origin(connections, row["product_id"], written_by, damage)
    line, repair = lines[written_by.identity]
    if line is None:
        return FieldState(name, row[name], version, written_by, None, None)
    (outcome,) = decode_all([line.record], [])
    supplier = outcome.supplier if isinstance(outcome, Update) else None
    return FieldState(
        name, row[name], version, written_by, line, supplier, repair,
        record_fault(row["product_id"], name, inside_value(name, row[name]), version, line),
    )  # fmt: skip


async def _origin(connections: Connections, product_id: str, written_by: Version, damage: Damage) -> _Origin:
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    found: Located | None = await find_line(s3, bucket, written_by, damage)
    if found is None:
        return None, None
    received = list(judge(found.line, product_id, found.written_at))
    known = await with_repairs(connections, product_id, received, None, damage)
    return found.line, known[0].repair if known else None


async def _is_pending(connections: Connections, product_id: str) -> bool | None:
    pool = await connections.database()
    try:
        found = await pool.fetchval(_PENDING, product_id, timeout=_ANSWER_SECONDS)
    except (asyncpg.PostgresError, TimeoutError):
        return None  # locked, or its migration was not deployed yet
    return found is not None


async def _time_to_live_ms(cache: Any, key: str) -> int | None:
    try:
        left: int = await cache.pttl(key)
    except NoPermissionError:
        return None  # the shop's user in ElastiCache may not ask
    return left
