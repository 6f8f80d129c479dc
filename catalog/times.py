"""Points in time that are typed as options."""

from datetime import UTC, datetime, timedelta

from catalog.errors import UsageError

_DAY = len("2026-01-31")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
