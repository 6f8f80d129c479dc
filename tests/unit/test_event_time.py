"""Schema 1: which event times are accepted, and which time counts."""

import json

import pytest

from tests.support.decoding import LAST_ARRIVAL_MS, accept, event, reject
from tests.support.events import ARRIVAL_MS, ARRIVAL_TIME


@pytest.mark.parametrize(
    ("event_time", "version"),
    [
        ("2026-01-31T08:30:00Z", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31t08:30:00z", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00+00:00", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00-00:00", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T10:00:00+01:30", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-30T23:00:00-09:30", "2026-01-31T08:30:00.000000Z"),
        ("2026-02-01T08:29:00+23:59", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-30T08:31:00-23:59", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:30:00.1Z", "2026-01-31T08:30:00.100000Z"),
        ("2026-01-31T08:30:00.000001Z", "2026-01-31T08:30:00.000001Z"),
        ("2026-01-31T08:30:00.120000Z", "2026-01-31T08:30:00.120000Z"),
        ("2025-12-31T23:59:59.999999Z", "2025-12-31T23:59:59.999999Z"),
        ("2026-01-31T08:30:00.1234567Z", "2026-01-31T08:30:00.123456Z"),
        ("2026-01-31T08:30:00.123456789Z", "2026-01-31T08:30:00.123456Z"),
        ("2026-01-31T10:00:00.999999999+01:30", "2026-01-31T08:30:00.999999Z"),
        ("2026-01-31T08:30:00.000000999Z", "2026-01-31T08:30:00.000000Z"),
        ("2026-01-31T08:35:00.123000999Z", "2026-01-31T08:35:00.123000Z"),  # the cut time is not too late
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("1970-01-01T00:00:00-01:00", "1970-01-01T01:00:00.000000Z"),
        ("2026-01-31T08:35:00.123Z", "2026-01-31T08:35:00.123000Z"),  # five minutes after it arrived
        ("2026-01-31T09:35:00.123+01:00", "2026-01-31T08:35:00.123000Z"),
    ],
)
def test_event_time_accepted(event_time: str, version: str) -> None:
    assert accept(event(event_time=f'"{event_time}"')).version.startswith(f"{version} ")


FORM_OF_TIME = (
    "; RFC 3339 with an offset and at most 9 fractional digits is accepted, such as 2026-01-31T08:30:00Z"
)


@pytest.mark.parametrize(
    "event_time",
    [
        "",
        "now",
        "1769848200",
        "2026-01-31",
        "2026-01-31T08:30:00",
        "2026-01-31 08:30:00Z",
        "2026-01-31T08:30Z",
        "2026-01-31T083000Z",
        "20260131T083000Z",
        "2026-W05-6T08:30:00Z",
        "2026-01-31T08:30:00.Z",
        "2026-01-31T08:30:00,1Z",
        "2026-01-31T08:30:00+01",
        "2026-01-31T08:30:00+0100",
        "2026-01-31T08:30:00+24:00",
        "2026-01-31T08:30:00+01:60",
        "2026-01-31T08:30:00+01:00:30",
        "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z",
        "2026-1-31T08:30:00Z",
        "+2026-01-31T08:30:00Z",
        "02026-01-31T08:30:00Z",
        " 2026-01-31T08:30:00Z",
        "2026-01-31T08:30:00Z ",
        "2026-01-31T08:30:00Z\n",
        "２026-01-31T08:30:00Z",
    ],
)
def test_event_time_of_another_form_is_rejected(event_time: str) -> None:
    text = json.dumps(event_time)
    reject(event(event_time=text), "invalid_event_time", f"event_time is {text}{FORM_OF_TIME}")


@pytest.mark.parametrize(
    ("event_time", "message"),
    [
        ("1769848200", f"event_time is 1769848200{FORM_OF_TIME}"),
        ("1769848200.5", f"event_time is 1769848200.5{FORM_OF_TIME}"),
        ("null", f"event_time is null{FORM_OF_TIME}"),
        ("9" * 5000, f"event_time is {'9' * 60}… (5000 characters){FORM_OF_TIME}"),
        ("true", f"event_time is true{FORM_OF_TIME}"),
        ("[]", f"event_time is an array{FORM_OF_TIME}"),
        ("{}", f"event_time is an object{FORM_OF_TIME}"),
        ('"2026-02-30T08:30:00Z"', 'event_time "2026-02-30T08:30:00Z" is not a valid date and time: …'),
        ('"2025-02-29T08:30:00Z"', 'event_time "2025-02-29T08:30:00Z" is not a valid date and time: …'),
        ('"2026-13-01T08:30:00Z"', 'event_time "2026-13-01T08:30:00Z" is not a valid date and time: …'),
        ('"2026-00-01T08:30:00Z"', 'event_time "2026-00-01T08:30:00Z" is not a valid date and time: …'),
        ('"2026-01-00T08:30:00Z"', 'event_time "2026-01-00T08:30:00Z" is not a valid date and time: …'),
        (
            '"2016-12-31T23:59:60Z"',
            'event_time "2016-12-31T23:59:60Z" is not a valid date and time: …',
        ),  # was one
        ('"2026-01-31T08:30:99Z"', 'event_time "2026-01-31T08:30:99Z" is not a valid date and time: …'),
        (
            '"1969-12-31T23:59:59.999999Z"',
            'event_time is "1969-12-31T23:59:59.999999Z"; 1970 or later is accepted',
        ),
        (
            '"1970-01-01T00:00:00+00:01"',
            'event_time is "1970-01-01T00:00:00+00:01"; 1970 or later is accepted',
        ),
        ('"0000-01-01T00:00:00Z"', 'event_time "0000-01-01T00:00:00Z" is not a valid date and time: …'),
        (
            '"0001-01-01T00:00:00+23:59"',
            'event_time is "0001-01-01T00:00:00+23:59"; 1970 or later is accepted',
        ),
    ],
)
def test_event_time_rejected(event_time: str, message: str) -> None:
    reject(event(event_time=event_time), "invalid_event_time", message)


@pytest.mark.parametrize("digits", [10, 11, 60_000])
def test_event_time_has_at_most_nine_fractional_digits(digits: int) -> None:
    event_time = f'"2026-01-31T08:30:00.{"1" * digits}Z"'
    shown = event_time if len(event_time) <= 60 else f"{event_time[:60]}… ({len(event_time)} characters)"
    message = f"event_time has {digits} fractional digits: {shown}; at most 9 are accepted"
    reject(event(event_time=event_time), "invalid_event_time", message)


@pytest.mark.parametrize(
    "event_time",
    [
        "2026-01-31T08:35:00.123001Z",  # five minutes and a microsecond after it arrived
        "2026-01-31T09:35:00.123001+01:00",
        "2026-01-31T08:36:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_event_time_in_the_future_is_rejected(event_time: str) -> None:
    reject(
        event(event_time=f'"{event_time}"'),
        "event_time_in_future",
        f'event_time "{event_time}" is later than the arrival time {ARRIVAL_TIME} by more than 5 minutes',
    )


def test_event_time_reaches_to_the_end_of_9999() -> None:
    update = accept(event(event_time='"9999-12-31T23:59:59.999999Z"'), arrival_ms=LAST_ARRIVAL_MS)
    assert update.version.startswith("9999-12-31T23:59:59.999999Z ")


@pytest.mark.parametrize("arrival_ms", [0, 1, 999, ARRIVAL_MS, LAST_ARRIVAL_MS])
def test_without_event_time_the_arrival_time_counts(arrival_ms: int) -> None:
    milliseconds = arrival_ms % 1000
    assert f".{milliseconds:03d}000Z " in accept(event(), arrival_ms=arrival_ms).version


@pytest.mark.parametrize("event_time", ["9999-12-31T23:59:59-00:01", "9999-12-31T23:59:00.000001-00:01"])
def test_event_time_that_is_later_than_9999_in_utc_is_rejected(event_time: str) -> None:
    reject(
        event(event_time=f'"{event_time}"'),
        "invalid_event_time",
        f'event_time is "{event_time}"; 9999 in UTC or earlier is accepted',
        arrival_ms=LAST_ARRIVAL_MS,
    )
