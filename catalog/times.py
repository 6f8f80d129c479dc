"""Points in time as an operator gives them."""

from datetime import UTC, datetime, timedelta

from catalog.errors import UsageError

_DAY = len("2026-01-31")


def begin_ms(text: str | None, option: str) -> int:
    """Return the moment in milliseconds since the epoch; a day is its beginning; None: the epoch.

    Raises: UsageError.
    """
    return 0 if text is None else _ms(_parse(text, option))


def end_ms(text: str | None, option: str) -> int:
    """Return the first millisecond after the moment; a day counts whole; None: after every moment.

    Raises: UsageError.
    """
    if text is None:
        return 2**63
    moment = _parse(text, option)
    return _ms(moment + timedelta(days=1)) if len(text) == _DAY else _ms(moment) + 1


def _parse(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{option} is {text!r}; a day such as 2026-01-31 is accepted, or a time such as "
            "2026-01-31T08:30:00Z (UTC without an offset)"
        ) from error


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
