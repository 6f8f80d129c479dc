"""Times as they are typed: the same forms for every command."""

from datetime import UTC, datetime, timedelta

import pytest

from catalog.errors import UsageError
from catalog.times import begin_ms, end_ms, fixed_time, read_period, read_time


def test_an_age_is_a_time_before_now() -> None:
    for text, age in (("90m", timedelta(minutes=90)), ("6h", timedelta(hours=6)), ("2d", timedelta(days=2))):
        assert abs(datetime.now(UTC) - age - read_time(text, "--at")) < timedelta(minutes=1)
    assert begin_ms("999999d", "--from") == 0


def test_a_day_ends_with_its_last_millisecond() -> None:
    assert end_ms("2026-01-31", "--to") - begin_ms("2026-01-31", "--from") == 86_400_000
    assert read_time("2026-01-31T09:30:00+01:00", "--at") == datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def test_an_age_is_kept_as_a_time() -> None:
    assert fixed_time("2026-01-31", "--from") == "2026-01-31"
    assert fixed_time("1d", "--from") != "1d"


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="--at is 'soon'; accepted, in UTC if without offset: 2026-01-31, "):
        read_time("soon", "--at")
    with pytest.raises(UsageError, match="--since 1h is not earlier than --until 2h"):
        read_period("1h", "2h")
