"""Points in time: as an operator types them, and as commands print them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog.errors import UsageError

ACCEPTED = "2026-01-31, 2026-01-31T08:30:00Z, or an age: 90m, 6h, 2d"
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=36_500)
_DAY = len("2026-01-31")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`; None: without that bound."""

    since: datetime | None = None
    until: datetime | None = None

    def has(self, time: datetime) -> bool:
        """Return whether a time is in it."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


ALWAYS = Period()


def read_time(text: str, option: str, *, is_end: bool = False) -> datetime:
    """Return the moment that was typed, in UTC; `is_end`: a day means its last millisecond.

    Raises: UsageError.
    """
    if matched := _AGE.fullmatch(text):
        age = min(timedelta(**{_UNITS[matched[2]]: int(matched[1])}), _LONGEST)
        return max(datetime.now(UTC) - age, _EPOCH)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + timedelta(days=1) - _MILLISECOND if is_end and len(text) <= _DAY else moment
    except (ValueError, OverflowError):
        raise UsageError(f"{option} is {text!r}; accepted, in UTC if without offset: {ACCEPTED}") from None


def read_period(since: str | None, until: str | None) -> Period:
    """Return the period between two options. Raises: UsageError."""
    begin = None if since is None else read_time(since, "--since")
    end = None if until is None else read_time(until, "--until")
    if begin and end and begin >= end:
        raise UsageError(f"--since {since} is not earlier than --until {until}")
    return Period(begin, end)


def begin_ms(text: str | None, option: str) -> int:
    """Return the moment in milliseconds since the epoch; a day is its beginning; None: the epoch.

    Raises: UsageError.
    """
    return 0 if text is None else (read_time(text, option) - _EPOCH) // _MILLISECOND


def end_ms(text: str | None, option: str) -> int:
    """Return the first millisecond after the moment; a day counts whole; None: after every moment.

    Raises: UsageError.
    """
    if text is None:
        return 2**63
    return (read_time(text, option, is_end=True) - _EPOCH) // _MILLISECOND + 1


def fixed_time(text: str | None, option: str) -> str | None:
    """Return an age as the time that it means now, anything else as it was typed. Raises: UsageError."""
    return shown_time(read_time(text, option)) if text and _AGE.fullmatch(text) else text


def shown_time(time: datetime) -> str:
    """Return a time as all commands print it: UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def shown_age(age: timedelta) -> str:
    """Return about how long that is, in the largest unit of which there are two."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
