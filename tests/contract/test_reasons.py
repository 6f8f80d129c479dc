"""The reasons for rejection that are our fault have an alarm; tests/documents checks their documents."""

from pathlib import Path

import pytest

from processor.reasons import Fault, Reason
from stacks.config.environments import Environment
from tests.support.environments import DEV, PROD
from tests.support.monitoring import synthesize_observability, watched_by_alarms


@pytest.mark.parametrize("environment", [DEV, PROD], ids=lambda environment: environment.name)
def test_each_reason_that_is_ours_has_an_alarm_and_no_other(environment: Environment, tmp_path: Path) -> None:
    watched = {
        value
        for watching in watched_by_alarms(synthesize_observability(environment, tmp_path))
        for name, value in watching.dimensions
        if watching.name == "RecordsRejectedByReason" and name == "reason"
    }
    assert watched == {reason for reason in Reason if reason.fault is Fault.OURS}


def test_a_reason_is_its_code() -> None:
    assert f"{Reason.INVALID_JSON}" == Reason.INVALID_JSON == Reason("invalid_json") == "invalid_json"
    assert {reason.name.lower() for reason in Reason} == set(Reason)
