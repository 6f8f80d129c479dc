"""Why the archive and the table differ: the archive's line, or that there is none."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.archive_lines import MOST_DAYS_IN_A_BATCH, Damage, Line, read_line
from catalog.connections import Connections
from catalog.objects import identity_of, list_keys, parse_key, parse_line, read_objects
from catalog.product_repairs import with_repairs
from catalog.product_search import judge
from catalog.replay.compare import (
    AHEAD,
    BEHIND,
    EXTRA_ROW,
    LAST_UPDATED,
    MISSING_ROW,
    Difference,
    arrival_ms_of,
    arrived,
)
from catalog.replay.sources import Source, numbers_in
from catalog.row_checks import BY_HAND, NEVER_SET, record_fault
from catalog.row_checks import LAST_UPDATED as LAST_UPDATED_FAULT
from catalog.versions import Version, parse_version
from processor.archive_replay import Selection
from processor.errors import DamagedObjectError
from processor.s3_objects import ACCEPTED, QUARANTINE_PREFIX

_DAY_MS = 86_400_000
_NO_LINE = "no line"
_LOST = "The row was changed by hand, or the update is in flight: `catalog replay --product` applies it"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a version's record is in the archive, for people; `line`: what it says, if that can be read."""

    text: str = _NO_LINE
    line: Line | None = None


async def explain(one: Difference, source: Source, connections: Connections, newest_arrival_ms: int) -> str:
    """Return one sentence or two: what each side says, and where the archive says it."""
    archived = one.archive.version if one.archive is not None else None
    held = one.table.version if one.table is not None else None
    if one.kind == LAST_UPDATED:
        return LAST_UPDATED_FAULT
    if one.kind in (MISSING_ROW, BEHIND):
        place = await _line_of(archived, source)
        has = "the table has no row" if one.kind == MISSING_ROW else "the row has no version of this field"
        has = has if held is None else f"the row has the version of {arrived(held)}"
        why = await _why_not_applied(one.product_id, archived, place.line, connections)
        return f"{place.text} was not applied: {has}. {why}"
    if one.kind in (AHEAD, EXTRA_ROW):
        return await _unarchived(one, held, source, newest_arrival_ms)
    if held is None:
        return NEVER_SET
    place = await _line_of(held, source)
    fault = _fault(one, held, place) or f"the row has another value: {BY_HAND}"
    return f"{place.text} wrote this version; {fault}"


def _fault(one: Difference, version: str, place: _Place) -> str | None:
    if place.line is None or one.table is None:
        return None
    return record_fault(one.product_id, one.field, one.table.value, version, place.line)


async def _unarchived(one: Difference, version: str | None, source: Source, newest_arrival_ms: int) -> str:
    arrival_ms = arrival_ms_of(version)
    if version is None or arrival_ms is None:
        return "the row's version is none that the processor writes"
    if arrival_ms > newest_arrival_ms:
        return (
            f"the row's update arrived at {arrived(version)}, after the archive's end "
            f"({_utc(newest_arrival_ms)}): its line is still in flight, or missing"
        )
    place = await _line_of(version, source)
    if place.text == _NO_LINE:
        return f"{place.text} of the archive wrote the row's version, which arrived at {arrived(version)}"
    fault = _fault(one, version, place) or "its record was left out, as the notes above say"
    return f"the row says that {place.text} wrote it, but {fault}"


async def _line_of(version: str | None, source: Source) -> _Place:
    """Return the place of a version's record, the accepted one if there is one."""
    wanted, rejected = _parsed(version), None
    if wanted is None:
        return _Place()
    shard, sequence = wanted.shard, wanted.sequence_number
    identity = (
        f'{{"shard":"{shard}","sequence_number":"{sequence}","sub_sequence":{wanted.sub_sequence},'.encode()
    )
    async for found in source.found(Selection(wanted.arrival_ms, wanted.arrival_ms + _DAY_MS)):
        numbers = numbers_in(found.key)
        if numbers is None or not numbers[0] <= int(sequence) <= numbers[1]:
            continue
        number = 0
        try:
            async for lines in source.lines(found.key):
                for text in lines:
                    number += 1
                    if not text.startswith(identity):
                        continue
                    line = read_line(found.key, number, text, Damage())
                    place = _Place(f"line {number} of {found.key}", line)
                    if line is None or line.verdict == ACCEPTED:
                        return place
                    rejected = rejected or place
        except DamagedObjectError as error:
            return _Place(f"a line that should be in a damaged object ({error})")
    return rejected or _Place()


async def _why_not_applied(
    product_id: str, version: str | None, line: Line | None, connections: Connections
) -> str:
    """Return whether the update is or was in quarantine, and else what to do."""
    wanted = _parsed(version)
    if wanted is None:
        return "Its version is none that the processor writes"
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    for days_back in range(MOST_DAYS_IN_A_BATCH + 1):
        day = wanted.day - timedelta(days=days_back)
        async for found in list_keys(s3, bucket, f"{QUARANTINE_PREFIX}dt={day}/{wanted.shard}/"):
            name = parse_key(found["Key"])
            if name is None or not name.first <= int(wanted.sequence_number) <= name.last:
                continue
            async for key, body in read_objects(s3, bucket, [name.key]):
                for text in body.splitlines():
                    try:
                        members = parse_line(text)
                        is_it = identity_of(members) == wanted.identity
                    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                        continue  # damaged: `catalog quarantine list` counts it
                    if is_it:
                        reason = str(members.get("reason"))
                        return await _quarantined(product_id, reason, key, line, connections)
    return "Not in quarantine: it is still in flight (`catalog status`), or was lost (`catalog replay`)"


async def _quarantined(
    product_id: str, reason: str, key: str, line: Line | None, connections: Connections
) -> str:
    """Return what became of a quarantined record, of which the archive has an accepted line."""
    if line is not None:
        received = list(judge(line, product_id, datetime.now(UTC)))
        for one in await with_repairs(connections, product_id, received, None, Damage()):
            if one.repair is not None:
                return f"It was in quarantine ({reason}, {key}), and was {one.repair.text()}. {_LOST}"
    return f"It is in quarantine: {reason}, {key}"


def _parsed(version: str | None) -> Version | None:
    return None if version is None else parse_version(version)


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z"
