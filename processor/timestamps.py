"""Points in time as text: UTC, and the earlier of two is the smaller text."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

# Formatting a number takes longer than looking it up.
_MILLISECONDS = tuple(f".{milliseconds:03d}Z" for milliseconds in range(1000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(time_ms: int) -> str:
    """Return milliseconds since the epoch as RFC 3339, such as 2026-01-31T08:30:00.123Z."""
    return second_text(time_ms // 1000) + _MILLISECONDS[time_ms % 1000]


@lru_cache(maxsize=1024)  # the records of a batch arrive within a few seconds
def second_text(time_s: int) -> str:
    """Return seconds since the epoch without offset, such as 2026-01-31T08:30:00."""
    return (_EPOCH + timedelta(seconds=time_s)).isoformat()[:19]
