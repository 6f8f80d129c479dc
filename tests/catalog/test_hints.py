"""Hints on standard error, only where they help."""

from datetime import UTC, datetime

import pytest

from catalog.commands.replay_products import say_many_objects
from catalog.commands.status import _failures
from catalog.console import Output
from catalog.failures import WaitingFailures


@pytest.mark.parametrize(("objects", "begin", "said"), [(1_001, None, 1), (1_000, None, 0), (9_999, "7d", 0)])
def test_from_is_suggested_where_many_objects_are_read(
    capsys: pytest.CaptureFixture[str], objects: int, begin: str | None, said: int
) -> None:
    say_many_objects(Output(), objects, begin)
    assert capsys.readouterr().err.count("--from 7d") == said


@pytest.mark.parametrize(("messages", "said"), [(0, 0), (2, 0), (3, 1)])
def test_s3s_test_event_is_named_only_where_a_message_has_no_batch(messages: int, said: int) -> None:
    now = datetime.now(UTC)
    assert _failures(WaitingFailures(messages, 2, None), now).plain.count("test event") == said
