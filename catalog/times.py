"""Points in time that are typed as options."""

from datetime import UTC, datetime, timedelta

from catalog.errors import UsageError

_DAY = len("2026-01-31")
_MILLISECOND = timedelta(milliseconds=1)


def read_time(text: str, option: str, *, is_end: bool = False) -> datetime:
    """Return the moment that was typed, in UTC; `is_end`: a day means its last millisecond.

    Raises: UsageError.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + timedelta(days=1) - _MILLISECOND if is_end and len(text) <= _DAY else moment
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} is {text!r}; a day or a time is accepted, in UTC if it has no offset: "
            "2026-01-31, 2026-01-31T08:30:00Z"
        ) from None
