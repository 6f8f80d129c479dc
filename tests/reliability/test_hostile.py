"""Hostile events are drawn from a seed, and the processor treats each as a plain reading says."""

import base64
from typing import Any

import pytest

from local.feed_lines import DEFAULTS
from reliability.__main__ import main
from reliability.hostile.drawing import KINDS, draw
from reliability.hostile.judging import problems_of
from reliability.hostile.runs import run_some, smaller
from reliability.rules import FIELDS
from tests.support.events import kinesis_event, kinesis_record

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


def test_a_problem_is_shown_with_the_least_data_that_has_it() -> None:
    event = kinesis_event(kinesis_record(b'{"product_id":"p","price":NaN}'), kinesis_record(b"x"))

    def has_nan(candidate: dict[str, Any]) -> bool:
        return any(b"NaN" in base64.b64decode(one["kinesis"]["data"]) for one in candidate["Records"])

    found = smaller(event, has_nan)
    assert [base64.b64decode(one["kinesis"]["data"]) for one in found["Records"]] == [b"NaN", b""]


def test_each_field_has_its_rule() -> None:
    assert set(FIELDS) == set(DEFAULTS)


def test_the_command_prints_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hostile", "--records", "50", "--seed", "3", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("50 events of ")


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}, {"Records": [{}]}])
def test_an_event_that_no_mapping_sends_is_refused(event: object) -> None:
    assert problems_of(event) == []
