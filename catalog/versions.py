"""The version of a field of a row, taken apart (see `processor.updates.version_text`)."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from catalog.objects import Identity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z) [0-9]{3}:([0-9]{1,129}) "
    r"([0-9]{7}) ([a-zA-Z0-9_.-]{1,128}) ([0-9]{1,15})"
)


@dataclass(frozen=True, slots=True)
class Version:
    """Which record wrote a field; `arrival_ms`: milliseconds since the epoch."""

    event_time: str
    sequence_number: str
    sub_sequence: int
    shard: str
    arrival_ms: int

    @property
    def identity(self) -> Identity:
        """The record's identity."""
        return self.shard, self.sequence_number, self.sub_sequence

    @property
    def day(self) -> date:
        """The day on which the record arrived."""
        return (_EPOCH + timedelta(milliseconds=self.arrival_ms)).date()


def parse_version(text: str) -> Version | None:
    """Return the parts of a version; None if the pipeline cannot have written it."""
    matched = _VERSION.fullmatch(text)
    if matched is None:
        return None
    event_time, sequence_number, sub_sequence, shard, arrival_ms = matched.groups()
    version = Version(event_time, sequence_number, int(sub_sequence), shard, int(arrival_ms))
    try:
        return version if version.day else None
    except OverflowError:
        return None
