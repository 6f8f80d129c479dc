"""The view `archive` for Athena: the same columns as on DuckDB, as the text that stands after WITH.

Athena's tables have each line as one text, so that no SerDe changes a number or fails on a line. Two columns
differ: `line` is NULL, since Athena does not number lines; and a rejected record's supplier is what its JSON
says, also where the processor could not read it.
"""

from collections.abc import Mapping

from catalog.archive.queries import quoted
from catalog.archive.rows import REGISTER_COLUMNS
from catalog.archive.verify import Scope
from processor.s3_objects import ACCEPTED

LINES = "archive_lines"
"""The table, by day. stacks/archive_queries.py has its name, too; tests/contract compares them."""
LINES_OF_SHARD = "archive_lines_of_shard"
"""The same objects, by day and shard: a query must name the shard."""

_VALUES: Mapping[str, str] = {
    # A whole number may be written 12.0 or 1.2e1.
    "INTEGER": "try_cast(try_cast({} AS double) AS integer)",
    "DECIMAL(10,2)": "try_cast({} AS decimal(10, 2))",
    "BOOLEAN": "try_cast({} AS boolean)",
    "VARCHAR": "{}",
}

_LINES = """archive_text AS (
    SELECT
        dt,
        "$path" AS path,
        line,
        json_extract_scalar(line, '$.verdict') AS verdict,
        CASE
            WHEN strpos(line, ',"data":') > 0
            THEN substr(line, strpos(line, ',"data":') + 8, length(line) - strpos(line, ',"data":') - 8)
            ELSE try(from_utf8(from_base64(json_extract_scalar(line, '$.data_base64'))))
        END AS data
    FROM {table}{where}
),
archive_members AS (
    SELECT
        *,
        json_extract_scalar(line, '$.shard') AS shard_id,
        json_extract_scalar(line, '$.sequence_number') AS sequence_number,
        try_cast(json_extract_scalar(line, '$.sub_sequence') AS integer) AS sub_sequence,
        try(from_iso8601_timestamp(json_extract_scalar(line, '$.arrival_time'))) AS arrival_time,
        CASE WHEN verdict = {accepted} THEN data END AS good
    FROM archive_text
),
archive_times AS (
    SELECT
        *,
        replace(substr(CAST(at_timezone(coalesce(
            try(from_iso8601_timestamp_nanos(upper(json_extract_scalar(good, '$.event_time')))),
            CAST(arrival_time AS timestamp(9) with time zone)
        ), 'UTC') AS varchar), 1, 26), ' ', 'T') AS event_text
    FROM archive_members
),
archive AS (
    SELECT
        date(dt) AS day,
        shard_id AS shard,
        sequence_number,
        sub_sequence,
        json_extract_scalar(line, '$.partition_key') AS partition_key,
        arrival_time,
        verdict,
        data,
        json_extract_scalar(good, '$.product_id') AS product_id,
{registers}
        CASE WHEN good IS NOT NULL
            THEN CAST(from_iso8601_timestamp_nanos(event_text || 'Z') AS timestamp(6) with time zone)
        END AS event_time,
        json_extract_scalar(data, '$.supplier') AS supplier,
        CASE WHEN good IS NOT NULL
            THEN event_text || 'Z ' || lpad(CAST(length(sequence_number) AS varchar), 3, '0') || ':'
                || sequence_number || ' ' || lpad(CAST(sub_sequence AS varchar), 7, '0') || ' ' || shard_id
                || ' ' || CAST(CAST(round(to_unixtime(arrival_time) * 1000) AS bigint) AS varchar)
        END AS version,
        regexp_extract(path, '^s3://[^/]+/(.*)$', 1) AS object,
        CAST(NULL AS integer) AS line
    FROM archive_times
)"""


def archive_tables(scope: Scope) -> str:
    """Return what stands after WITH, limited to the days and the shard."""
    conditions = []
    if scope.begin is not None and scope.end is not None:
        conditions.append(f"dt BETWEEN {quoted(str(scope.begin))} AND {quoted(str(scope.end))}")
    if scope.shard is not None:
        conditions.append(f"shard = {quoted(scope.shard)}")
    registers = "\n".join(
        f"        {_VALUES[kind].format(_member(name))} AS {name}," for name, kind in REGISTER_COLUMNS.items()
    )
    return _LINES.format(
        table=LINES if scope.shard is None else LINES_OF_SHARD,
        where=f"\n    WHERE {' AND '.join(conditions)}" if conditions else "",
        accepted=quoted(ACCEPTED),
        registers=registers,
    )


def _member(name: str) -> str:
    return f"json_extract_scalar(good, '$.{name}')"
