"""Why the archive and the table differ: the archive's line, or that there is none."""

from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.archive_lines import MOST_DAYS_IN_A_BATCH
from catalog.objects import identity_of, list_keys, parse_key, parse_line, read_objects
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
from processor.archive_replay import Selection
from processor.errors import DamagedObjectError
from processor.s3_objects import QUARANTINE_PREFIX

_DAY_MS = 86_400_000
_NO_LINE = "no line"


async def explain(
    one: Difference, source: Source, s3: Any, quarantine_bucket: str, newest_arrival_ms: int
) -> str:
    """Return one sentence or two: what each side says, and where the archive says it."""
    archived = one.archive.version if one.archive is not None else None
    held = one.table.version if one.table is not None else None
    if one.kind == LAST_UPDATED:
        return "the row's last_updated is not the newest event time of its versions: it was not the processor"
    if one.kind in (MISSING_ROW, BEHIND):
        where = await _line_of(archived, source)
        has = "the table has no row" if one.kind == MISSING_ROW else "the row has no version of this field"
        has = has if held is None else f"the row has the version of {arrived(held)}"
        return f"{where} was not applied: {has}. {await _why_not_applied(archived, s3, quarantine_bucket)}"
    if one.kind in (AHEAD, EXTRA_ROW):
        return await _unarchived(held, source, newest_arrival_ms)
    if held is None:
        return "no update wrote the field, and it is not what it is until one does: not the processor"
    return f"{await _line_of(held, source)} wrote this version; the row has another value: not the processor"


async def _unarchived(version: str | None, source: Source, newest_arrival_ms: int) -> str:
    arrival_ms = arrival_ms_of(version)
    if version is None or arrival_ms is None:
        return "the row's version is none that the processor writes"
    if arrival_ms > newest_arrival_ms:
        return (
            f"the row's update arrived at {arrived(version)}, after the archive's end "
            f"({_utc(newest_arrival_ms)}): its line is still in flight, or missing"
        )
    where = await _line_of(version, source)
    if where == _NO_LINE:
        return f"{where} of the archive wrote the row's version, which arrived at {arrived(version)}"
    return (
        f"the row says that {where} wrote it, but that record was rejected or has another event time: "
        "something else than the processor changed the row"
    )


async def _line_of(version: str | None, source: Source) -> str:
    """Return the object and the line of a version's record, or "no line"."""
    arrival_ms, parts = arrival_ms_of(version), (version or "").split(" ")
    if arrival_ms is None or len(parts) != 5:
        return _NO_LINE
    sequence, sub_sequence, shard = parts[1].partition(":")[2], parts[2], parts[3]
    if not (sequence.isdigit() and sub_sequence.isdigit()):
        return _NO_LINE
    identity = (
        f'{{"shard":"{shard}","sequence_number":"{sequence}","sub_sequence":{int(sub_sequence)},'.encode()
    )
    async for found in source.found(Selection(arrival_ms, arrival_ms + _DAY_MS)):
        numbers = numbers_in(found.key)
        if numbers is None or not numbers[0] <= int(sequence) <= numbers[1]:
            continue
        number = 0
        try:
            async for lines in source.lines(found.key):
                for line in lines:
                    number += 1
                    if line.startswith(identity):
                        return f"line {number} of {found.key}"
        except DamagedObjectError as error:
            return f"a line that should be in a damaged object ({error})"
    return _NO_LINE


async def _why_not_applied(version: str | None, s3: Any, bucket: str) -> str:
    """Return whether the update is in quarantine, and else what to do."""
    arrival_ms, parts = arrival_ms_of(version), (version or "").split(" ")
    if arrival_ms is None or len(parts) != 5:
        return "Its version is none that the processor writes"
    sequence, shard = parts[1].partition(":")[2], parts[3]
    for days_back in range(MOST_DAYS_IN_A_BATCH + 1):
        day = (datetime.fromtimestamp(arrival_ms / 1000, UTC) - timedelta(days=days_back)).date()
        async for found in list_keys(s3, bucket, f"{QUARANTINE_PREFIX}dt={day}/{shard}/"):
            name = parse_key(found["Key"])
            if name is None or not name.first <= int(sequence) <= name.last:
                continue
            async for key, body in read_objects(s3, bucket, [name.key]):
                for line in body.splitlines():
                    try:
                        members = parse_line(line)
                        is_it = identity_of(members) == (shard, sequence, int(parts[2]))
                    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                        continue  # damaged: `catalog quarantine list` counts it
                    if is_it:
                        return f"It is in quarantine: {members.get('reason')}, {key}"
    return "Not in quarantine: it is still in flight (`catalog status`), or was lost (`catalog replay`)"


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z"
