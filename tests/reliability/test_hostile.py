"""Hostile events are drawn from a seed, and the processor treats each as a plain reading says."""

import pytest

from reliability.__main__ import main
from reliability.hostile.drawing import KINDS, draw
from reliability.hostile.judging import problems_of
from reliability.hostile.runs import run_some

EVENTS = 3_000


def test_a_seed_and_a_number_always_give_the_same_event() -> None:
    assert draw(7, 3) == draw(7, 3)
    assert draw(7, 3) != draw(7, 4)
    assert draw(7, 3) != draw(8, 3)


def test_drawn_events_are_treated_as_a_plain_reading_says() -> None:
    figures = run_some(1, 0, EVENTS)
    assert figures.findings == []
    assert figures.kinds.total() == EVENTS
    assert set(figures.kinds) == set(KINDS)
    assert {"accepted", "event refused", "invalid_base64", "bad_aggregate", "too_deep"} <= set(
        figures.outcomes
    )


def test_the_command_prints_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hostile", "--records", "50", "--seed", "3", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("50 events of ")


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}, {"Records": [{}]}])
def test_an_event_that_no_mapping_sends_is_refused(event: object) -> None:
    assert problems_of(event) == []
