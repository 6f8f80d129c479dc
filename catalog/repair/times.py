"""Times as an operator types them, and bounds made of two."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from catalog.errors import UsageError

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`; None: without that bound."""

    since: datetime | None = None
    until: datetime | None = None

    def has(self, time: datetime) -> bool:
        """Return whether a time is in it."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


ALWAYS = Period()


def read_period(since: str | None, until: str | None, *, now: datetime) -> Period:
    """Return the period. Raises: UsageError."""
    period = Period(_read("--since", since, now), _read("--until", until, now))
    if period.since and period.until and period.since >= period.until:
        raise UsageError(f"--since {since} is not earlier than --until {until}")
    return period


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


def _read(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if matched := _AGO.fullmatch(text):
        age = min(timedelta(**{_UNITS[matched[2]]: int(matched[1])}), _LONGEST)
        return max(now - age, datetime(1970, 1, 1, tzinfo=UTC))
    try:
        time = datetime.combine(date.fromisoformat(text), datetime.min.time())
    except ValueError:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"{option} is {text!r}; accepted: 2026-01-31, 2026-01-31T08:30:00Z, or an age: 90m, 6h, 2d"
            ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
