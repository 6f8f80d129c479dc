"""What only the lines of many objects show together: duplicates, contradictions, and what is missing.

Each is a query of DuckDB on the tables below, which spill to disk.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

from catalog.archive.findings import DayOfShard, Verification
from catalog.archive.spill import Spill

_IDENTITY = "shard VARCHAR, sequence_number VARCHAR, sub_sequence INTEGER"
TABLES = (
    f"CREATE TABLE lines ({_IDENTITY}, content UBIGINT, accepted BOOLEAN, written_ms BIGINT,"
    " object INTEGER, line INTEGER)",
    f"CREATE TABLE quarantined ({_IDENTITY}, content UBIGINT, object INTEGER, line INTEGER)",
    f"CREATE TABLE versions ({_IDENTITY}, product VARCHAR)",
    f"CREATE TABLE nearby_lines ({_IDENTITY})",
    f"CREATE TABLE nearby_quarantined ({_IDENTITY})",
)
# A record that the table refused is archived as accepted, since both happen at the same time.
_CONTENTS = """
CREATE TABLE contents AS
WITH repeated AS (
    SELECT shard, sequence_number, sub_sequence FROM lines GROUP BY ALL HAVING count(*) > 1
), known AS (
    SELECT lines.*, accepted AND NOT (bool_and(accepted) OVER (
        PARTITION BY lines.shard, lines.sequence_number, lines.sub_sequence, lines.content
    ) AND EXISTS (
        SELECT 1 FROM quarantined AS q
        WHERE q.shard = lines.shard AND q.sequence_number = lines.sequence_number
          AND q.sub_sequence = lines.sub_sequence AND q.content = lines.content
    )) AS good
    FROM lines SEMI JOIN repeated USING (shard, sequence_number, sub_sequence)
)
SELECT shard, sequence_number, sub_sequence, content, bool_or(good) AS is_good,
       max(written_ms) FILTER (WHERE good) AS last_good, min(written_ms) FILTER (WHERE NOT good) AS first_bad,
       max({'written_ms': written_ms, 'object': object, 'line': line}) AS place
FROM known GROUP BY ALL
"""
_CONTRADICTIONS = """
SELECT shard, sequence_number, sub_sequence, count(*), count(*) FILTER (WHERE is_good),
       max(last_good), min(first_bad), max(place), min(place)
FROM contents GROUP BY shard, sequence_number, sub_sequence
HAVING count(*) > 1 OR (bool_or(is_good) AND min(first_bad) IS NOT NULL)
"""
_DUPLICATES = """
WITH numbered AS (
    SELECT lines.object, row_number() OVER (
        PARTITION BY lines.shard, lines.sequence_number, lines.sub_sequence, lines.content, lines.accepted
        ORDER BY written_ms, lines.object, lines.line
    ) AS place
    FROM lines SEMI JOIN contents USING (shard, sequence_number, sub_sequence)
)
SELECT object, count(*) FROM numbered WHERE place > 1 GROUP BY object
"""
_BUSY_DAY = 100


def compare_contents(
    spill: Spill, keys: Mapping[int, str], places: Mapping[int, DayOfShard], result: Verification
) -> None:
    """Count duplicates and fixed records; find identities with two contents.

    `keys`, `places`: of the objects, by number.
    """
    spill.connection.execute(_CONTENTS)
    for number, count in spill.rows(_DUPLICATES):
        places[number].duplicates += count
    for row in spill.rows(_CONTRADICTIONS):
        shard, sequence_number, sub_sequence, contents, good, last_good, first_bad, late, early = row
        is_fixed = good == 1 and first_bad is not None and first_bad <= last_good
        if is_fixed:
            places[late["object"]].fixed += 1
            continue
        identity = f"{shard} {sequence_number}/{sub_sequence}"
        if contents > 1:
            other = f"{keys[early['object']]}:{early['line']}"
            message = (
                f"{identity} has {contents} contents, another in {other}: one is not what Kinesis delivered"
            )
        else:
            message = f"{identity} was accepted, and the same content rejected later: rules or a tool changed"
        result.add("contents", keys[late["object"]], late["line"], message, places[late["object"]])


def find_gaps(result: Verification) -> None:
    """Find days without objects between days with some, by shard.

    Kinesis's sequence numbers have gaps of their own, so only a day can be missed. A quiet shard has empty
    days, too: only between two busy days it is a finding.
    """
    by_shard: dict[str, list[DayOfShard]] = {}
    for _, found in sorted(result.days.items()):
        by_shard.setdefault(found.shard, []).append(found)
    for shard, days in by_shard.items():
        for before, after in pairwise(days):
            missing = (after.day - before.day).days - 1
            if missing < 1:
                continue
            first, last = before.day + timedelta(days=1), after.day - timedelta(days=1)
            when = f"{first}" if missing == 1 else f"{first} to {last}"
            if min(before.records, after.records) >= _BUSY_DAY:
                message = (
                    f"no object between days of {before.records:,} and {after.records:,} records: "
                    "nothing was sent, the stream lost records before they were read, or objects are gone"
                )
                result.add("gap", f"{shard} {when}", None, message, before)
            else:
                result.notes.append(
                    f"gap: {shard} {when}: no object. The days beside it have {before.records:,} and "
                    f"{after.records:,} records, so perhaps nothing was sent"
                )


_MISSING = """
SELECT {table}.shard, {table}.sequence_number, {table}.sub_sequence, {columns}
FROM {table} ANTI JOIN {other} USING (shard, sequence_number, sub_sequence)
ANTI JOIN nearby_{other} USING (shard, sequence_number, sub_sequence)
{where} ORDER BY ALL
"""
WITHOUT_LINE = _MISSING.format(
    table="quarantined", other="lines", columns="quarantined.object, quarantined.line", where=""
)
"""Quarantined records without an archive line."""
WITHOUT_QUARANTINE = _MISSING.format(
    table="lines", other="quarantined", columns="lines.object, lines.line", where="WHERE NOT lines.accepted"
)
"""Rejected archive lines without a line in quarantine."""
UNPROVEN = _MISSING.format(table="versions", other="lines", columns="versions.product", where="")
"""Versions of the catalog without an archive line."""


def ranges_of(spill: Spill, query: str) -> dict[str, tuple[int, int]]:
    """Return by shard between which sequence numbers something is missing."""
    ranges: dict[str, tuple[int, int]] = {}
    for shard, sequence_number, *_ in spill.rows(query):
        number = int(sequence_number)
        low, high = ranges.get(shard, (number, number))
        ranges[shard] = (min(low, number), max(high, number))
    return ranges
