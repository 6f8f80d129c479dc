"""The event time of an update: RFC 3339 with an offset, not much later than the record's arrival."""

import re
from datetime import datetime, timedelta

from processor.json_values import shown
from processor.reasons import InvalidRecordError, Reason
from processor.timestamps import utc_text

MAX_CLOCK_SKEW_SECONDS = 5 * 60
_FRACTIONAL_DIGITS = 9  # what Go prints; .NET prints 7

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 in UTC; prints without an offset
_LATEST_US = 253_402_300_800 * 1_000_000 - 1
_MICROSECOND = timedelta(microseconds=1)
# RFC 3339, section 5.6, which also allows lower-case "t" and "z".
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)


def read_event_time(value: object, arrival_ms: int) -> str:
    """Return the event time in UTC, cut to microseconds, such as 2026-01-31T08:30:00.123456.

    Raises: InvalidRecordError.
    """
    matched = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise _invalid(
            f"event_time is {shown(value)}; RFC 3339 with an offset and at most {_FRACTIONAL_DIGITS} "
            "fractional digits is accepted, such as 2026-01-31T08:30:00Z"
        )
    day, time, fraction, offset = matched.groups("")
    if len(fraction) > _FRACTIONAL_DIGITS:
        raise _invalid(
            f"event_time has {len(fraction)} fractional digits: {shown(value)}; "
            f"at most {_FRACTIONAL_DIGITS} are accepted"
        )
    try:
        since_epoch = datetime.fromisoformat(f"{day}T{time}") - _EPOCH
    except ValueError as error:
        raise _invalid(f"event_time {shown(value)} is not a valid date and time: {error}") from error
    event_time_us = (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000
    if fraction:
        event_time_us += int(fraction[:6].ljust(6, "0"))
    if offset:
        event_time_us -= _offset_us(offset)
    if since_epoch.days < 0 or event_time_us < 0:
        raise _invalid(f"event_time is {shown(value)}; 1970 or later is accepted")
    if event_time_us > arrival_ms * 1000 + MAX_CLOCK_SKEW_SECONDS * 1_000_000:
        raise InvalidRecordError(
            Reason.EVENT_TIME_IN_FUTURE,
            f"event_time {shown(value)} is later than the arrival time {utc_text(arrival_ms)} "
            "by more than 5 minutes",
        )
    if event_time_us > _LATEST_US:
        raise _invalid(f"event_time is {shown(value)}; 9999 in UTC or earlier is accepted")
    return (_EPOCH + event_time_us * _MICROSECOND).isoformat(timespec="microseconds")


def _offset_us(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return minutes * 60_000_000 * (-1 if offset[0] == "-" else 1)


def _invalid(message: str) -> InvalidRecordError:
    return InvalidRecordError(Reason.INVALID_EVENT_TIME, message)
