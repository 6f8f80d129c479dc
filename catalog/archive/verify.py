"""Checks the whole archive, or some days of it, with quarantine and the catalog's table beside it.

Memory is bounded: an object is unpacked piece by piece, and one row a line goes to DuckDB, which spills to
disk. Only the names of objects are kept, about 300 bytes for each.
"""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from catalog.archive import comparisons, object_checks
from catalog.archive.findings import Verification
from catalog.archive.lines import LARGEST_OBJECT_BYTES, DamageError, Unpacked, read_line, shorten
from catalog.archive.object_checks import Listed
from catalog.archive.spill import Spill
from catalog.connections import Connections
from catalog.errors import UnreachableError
from catalog.objects import Foreign, days, list_keys, parse_key, read_objects
from processor.product import REGISTERS
from processor.s3_objects import ARCHIVE_PREFIX, QUARANTINE_PREFIX

# A batch's objects have the day of their first record, and its last one may have arrived as much later as the
# event source mapping lets a record grow old.
_MARGIN_DAYS = 8
_VERSION = re.compile(r"[^ ]+Z [0-9]{3}:([0-9]+) ([0-9]{7}) ([a-zA-Z0-9_.-]+) ([0-9]+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects are checked: of these days, both included, or of all; of one shard, or of all."""

    begin: date | None = None
    end: date | None = None
    shard: str | None = None

    def prefixes(self, prefix: str, *, margin: int = 0) -> list[str]:
        """Return what the objects' keys begin with; `margin`: so many days more on both sides."""
        if self.begin is None or self.end is None:
            return [prefix]
        first, last = self.begin - timedelta(days=margin), self.end + timedelta(days=margin)
        return [f"{prefix}dt={day}/" for day in days(first, last)]

    def has(self, arrival_ms: int) -> bool:
        """Return whether a record arrived on one of the days."""
        day = (_EPOCH + timedelta(milliseconds=arrival_ms)).date()
        return self.begin is None or self.end is None or self.begin <= day <= self.end

    def takes(self, shard: str) -> bool:
        """Return whether a shard's objects are checked."""
        return self.shard is None or self.shard == shard


@dataclass(slots=True)
class _Work:
    """What is known so far; `archive`, `quarantine`: the objects, by number."""

    connections: Connections
    scope: Scope
    spill: Spill
    result: Verification = field(default_factory=Verification)
    archive: dict[int, Listed] = field(default_factory=dict)
    quarantine: dict[int, str] = field(default_factory=dict)


async def verify(
    connections: Connections, scope: Scope, spill: Spill, *, table: bool, progress: Progress
) -> Verification:
    """Return what is wrong with the archive. `table`: whether the catalog's rows are compared with it."""
    for statement in comparisons.TABLES:
        spill.connection.execute(statement)
    work = _Work(connections, scope, spill)
    await _list_archive(work)
    await _read_archive(work, progress)
    await _read_quarantine(work)
    spill.flush("lines", "quarantined")
    keys = {number: listed.name.key for number, listed in work.archive.items()}
    places = {
        number: work.result.of(listed.name.day, listed.name.shard) for number, listed in work.archive.items()
    }
    comparisons.compare_contents(spill, keys, places, work.result)
    comparisons.find_gaps(work.result)
    await _compare_quarantine(work)
    if table:
        await _compare_table(work)
    return work.result


async def _list_archive(work: _Work) -> None:
    s3, bucket = await work.connections.aws("s3"), work.connections.environment.archive_bucket
    is_whole = work.scope.begin is None and work.scope.shard is None
    foreign = Foreign()
    for prefix in [""] if is_whole else work.scope.prefixes(ARCHIVE_PREFIX):
        async for found in list_keys(s3, bucket, prefix):
            name = parse_key(found["Key"])
            if name is None or not name.key.startswith(ARCHIVE_PREFIX):
                foreign.note(found["Key"])
            elif work.scope.takes(name.shard):
                where = work.result.of(name.day, name.shard)
                where.objects += 1
                where.bytes += found["Size"]
                written_ms = round(found["LastModified"].timestamp() * 1000)
                number = len(work.archive)
                work.archive[number] = Listed(number, name, found["Size"], written_ms)
    _note(foreign, work)


async def _read_archive(work: _Work, progress: Progress) -> None:
    readable = {}
    for listed in work.archive.values():
        if listed.size > LARGEST_OBJECT_BYTES:
            where = work.result.of(listed.name.day, listed.name.shard)
            message = (
                f"it has {listed.size:,} bytes, more than any object of the processor's; it was not read"
            )
            work.result.add("damage", listed.name.key, None, message, where)
            progress(1)
        else:
            readable[listed.name.key] = listed
    async for key, body in _bodies(work, "archive", list(readable)):
        for number, line in object_checks.check_object(readable[key], body, work.result):
            work.spill.add("lines", object_checks.line_row(readable[key], number, line))
        progress(1)


async def _read_quarantine(work: _Work) -> None:
    names, foreign = {}, Foreign()
    async for key, size in _keys(work, "quarantine"):
        name = parse_key(key)
        if name is None:
            foreign.note(key)
        elif size > LARGEST_OBJECT_BYTES:
            work.result.add("damage", key, None, f"it has {size:,} bytes; it was not read")
        elif work.scope.takes(name.shard):
            names[key] = name
    _note(foreign, work)
    async for key, body in _bodies(work, "quarantine", list(names)):
        number = len(work.quarantine)
        work.quarantine[number] = key
        for row in object_checks.quarantined_rows(names[key], number, body, work.result):
            work.spill.add("quarantined", row)


def _note(foreign: Foreign, work: _Work) -> None:
    if foreign.count:
        work.result.notes.append(foreign.text())


async def _compare_quarantine(work: _Work) -> None:
    """Find rejected records that only the archive has, or only quarantine."""
    await _read_nearby(work, "archive", comparisons.WITHOUT_LINE)
    await _read_nearby(work, "quarantine", comparisons.WITHOUT_QUARANTINE)
    for shard, number, sub, place, line in work.spill.rows(comparisons.WITHOUT_LINE):
        message = f"{shard} {number}/{sub} is in quarantine, but not in the archive: its object is gone"
        work.result.add("missing", work.quarantine[place], line, message)
    for shard, number, sub, place, line in work.spill.rows(comparisons.WITHOUT_QUARANTINE):
        name = work.archive[place].name
        message = f"{shard} {number}/{sub} was rejected, but is not in quarantine: its object is gone"
        work.result.add("missing", name.key, line, message, work.result.of(name.day, name.shard))


async def _compare_table(work: _Work) -> None:
    """Find rows of the catalog whose version no archive line proves."""
    if not work.archive:
        work.result.notes.append("the catalog was not compared: there is no object to compare it with")
        return
    try:
        await _read_versions(work, min(listed.name.day for listed in work.archive.values()))
    except (UnreachableError, asyncpg.PostgresError, OSError) as error:
        work.result.notes.append(f"the catalog was not compared: {error}")
        return
    await _read_nearby(work, "archive", comparisons.UNPROVEN)
    for shard, number, sub, product in work.spill.rows(comparisons.UNPROVEN):
        message = f"its version is of {shard} {number}/{sub}, which is not in the archive: its object is gone"
        work.result.add("missing", f"product {bytes.fromhex(product).decode()!r}", None, message)


async def _read_versions(work: _Work, oldest: date) -> None:
    columns = [f"{name}_version" for name in REGISTERS]
    pool = await work.connections.database()
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        sql = f"SELECT product_id, {', '.join(columns)} FROM products"  # noqa: S608 our own names
        async for product, *versions in connection.cursor(sql, prefetch=5_000):
            for version in {each for each in versions if each is not None}:
                matched = _VERSION.fullmatch(version)
                if matched is None:
                    work.result.add("table", f"product {product!r}", None, f"version {shorten(version, 200)}")
                    continue
                sequence_number, sub, shard, arrival_ms = matched.groups()
                arrived = (_EPOCH + timedelta(milliseconds=int(arrival_ms))).date()
                # What arrived before the first object may have expired with its object.
                if arrived >= oldest and work.scope.has(int(arrival_ms)) and work.scope.takes(shard):
                    row = f"{shard},{sequence_number},{int(sub)},{product.encode().hex()}"
                    work.spill.add("versions", row.encode())
    work.spill.flush("versions")


async def _read_nearby(work: _Work, store: str, query: str) -> None:
    """Look for what a query misses in objects of the days nearby, and in those written meanwhile."""
    ranges = comparisons.ranges_of(work.spill, query)
    if not ranges:
        return
    known = {listed.name.key for listed in work.archive.values()} | set(work.quarantine.values())
    candidates = []
    async for key, size in _keys(work, store, margin=_MARGIN_DAYS):
        name = parse_key(key)
        if key in known or name is None or size > LARGEST_OBJECT_BYTES:
            continue
        if object_checks.overlaps(name, ranges):
            candidates.append(name)
    table = "nearby_lines" if store == "archive" else "nearby_quarantined"
    async for key, body in _bodies(work, store, [name.key for name in candidates]):
        for row in _identities(key, body):
            work.spill.add(table, row)
    work.spill.flush(table)


def _identities(key: str, body: bytes) -> list[bytes]:
    """Return the identity of each line that can be read."""
    if key.startswith(QUARANTINE_PREFIX):
        name = parse_key(key)
        rows = object_checks.quarantined_rows(name, 0, body, Verification()) if name is not None else ()
        return [row.rsplit(b",", 3)[0] for row in rows]
    found = []
    try:
        for line in Unpacked(body):
            try:
                record = read_line(line).record
            except DamageError:
                continue
            found.append(f"{record.shard},{record.sequence_number},{record.sub_sequence}".encode())
    except DamageError:
        pass
    return found


async def _keys(work: _Work, store: str, *, margin: int = 0) -> AsyncIterator[tuple[str, int]]:
    prefix, bucket = _place(work.connections, store)
    s3 = await work.connections.aws("s3")
    for each in work.scope.prefixes(prefix, margin=margin):
        async for found in list_keys(s3, bucket, each):
            yield found["Key"], found["Size"]


async def _bodies(work: _Work, store: str, keys: list[str]) -> AsyncIterator[tuple[str, bytes]]:
    s3: Any = await work.connections.aws("s3")
    bucket = _place(work.connections, store)[1]

    def gone(key: str, reason: str) -> None:
        work.result.notes.append(f"{key} was not read: {reason}")

    async for key, body in read_objects(s3, bucket, keys, unpacked=False, on_damage=gone):
        yield key, body


def _place(connections: Connections, store: str) -> tuple[str, str]:
    environment = connections.environment
    if store == "archive":
        return ARCHIVE_PREFIX, environment.archive_bucket
    return QUARANTINE_PREFIX, environment.quarantine_bucket
