"""Lines of the archive → updates, decoded again: what a replay applies, and what it finds on the way.

A line counts if its verdict is `accepted` and today's rules accept its record, too. Where the two disagree,
the rules have changed, and nobody has decided yet what that means for the record: it is a finding.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from processor.reasons import Fault, Reason
from processor.records import Record
from processor.s3_objects import ACCEPTED, archived_data
from processor.slices import decode_all
from processor.updates import Update

# As `s3_objects.archive_line` writes it. The partition key is skipped: no rule depends on it.
_LINE = re.compile(
    rb'\{"shard":"([a-zA-Z0-9_.-]{1,128})","sequence_number":"(0|[1-9][0-9]{0,128})",'
    rb'"sub_sequence":(-1|0|[1-9][0-9]{0,6}),"partition_key":(?:null|"[^"\\]*(?:\\.[^"\\]*)*"),'
    rb'"arrival_time":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{3})Z"'
    rb'(?:,"verdict":"([a-z0-9_]{1,64})")?,"data(?:_base64":"([A-Za-z0-9+/]*={0,2})"|":(.*))\}',
    re.DOTALL,
)
_IN_PLACE = 8
_SUPPLIERS_REASONS = frozenset(
    reason for reason in Reason if reason.fault is Fault.SUPPLIER and reason is not Reason.BAD_AGGREGATE
)
# A line of a release that did not write verdicts yet.
_NO_VERDICT = None
UNREADABLE = "unreadable_line"
NOW_REJECTED = "now_rejected"
NOW_ACCEPTED = "now_accepted"


class Line(NamedTuple):
    """One line of the archive. `verdict`: `accepted` or the reason; None before verdicts were written."""

    record: Record
    verdict: str | None


class Finding(NamedTuple):
    """Why a line was not applied although it may matter; `line` is None if it cannot be read."""

    kind: str
    line: Line | None
    message: str


def read_line(text: bytes) -> Line | None:
    """Return a line of the archive, without its end; None if the archive's writer did not write it.

    The record's partition key is left out: no rule depends on it.
    """
    matched = _LINE.fullmatch(text)
    if matched is None:
        return None
    shard, sequence, sub_sequence, second, milliseconds, verdict, _, _ = matched.groups()
    try:
        arrival_ms = _second_ms(second) + int(milliseconds)
        data = matched[_IN_PLACE]
        if data is None:
            data = archived_data(text)
    except ValueError:
        return None
    record = Record(shard.decode(), sequence.decode(), int(sub_sequence), None, arrival_ms, data)
    return Line(record, None if verdict is None else verdict.decode())


def judge(line: Line) -> Update | Finding | None:
    """Return the update that a line holds, None if it holds none, or how today's rules differ from then."""
    record, verdict = line
    if verdict not in (ACCEPTED, _NO_VERDICT) and verdict not in _SUPPLIERS_REASONS:
        return None
    (outcome,) = decode_all([record], [])
    if isinstance(outcome, Update):
        if verdict == ACCEPTED or verdict is _NO_VERDICT:
            return outcome
        return Finding(NOW_ACCEPTED, line, f"rejected then ({verdict}), accepted by today's rules")
    if verdict == ACCEPTED:
        return Finding(NOW_REJECTED, line, f"accepted then, now {outcome.reason}: {outcome.message}")
    return None


@lru_cache(maxsize=4096)
def _second_ms(text: bytes) -> int:
    """Return a second in UTC, such as 2026-01-31T08:30:00, in milliseconds since the epoch."""
    return int(datetime.fromisoformat(f"{text.decode()}+00:00").timestamp()) * 1000
