from dataclasses import replace
from pathlib import Path

import pytest

from tests.misconfigurations.__main__ import sample, survivors_of
from tests.misconfigurations.misconfiguration import REMOVED, Misconfiguration
from tests.misconfigurations.seeded import SEEDED
from tests.support.synthesized import Stack

STREAM = Misconfiguration(
    name="a stream of one shard",
    block="aws_kinesis_stream.Stream",
    argument="shard_count",
    value=1,
    caught_by="infrastructure/test_storage.py::test_the_stream",
)


def test_every_misconfiguration_has_its_own_name() -> None:
    assert len({each.name for each in SEEDED}) == len(SEEDED) >= 60


def test_a_misconfiguration_that_no_test_catches_survives(tmp_path: Path) -> None:
    missed = replace(STREAM, caught_by="infrastructure/test_network.py::test_groups_have_no_inline_rules")
    assert survivors_of([STREAM, missed], tmp_path) == [missed]


def test_a_test_that_does_not_exist_catches_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pytest cannot run"):
        survivors_of([replace(STREAM, caught_by="infrastructure/test_storage.py::test_nothing")], tmp_path)


def test_samples_of_successive_days_are_all() -> None:
    days = range(1000, 1000 + len(SEEDED))
    tried = [each.name for day in days for each in sample(SEEDED, 20, day=day)]
    assert set(tried) == {each.name for each in SEEDED}
    assert tried[:20] != tried[20:40]


def test_a_change_that_changes_nothing_is_refused(stacks: dict[str, Stack]) -> None:
    prod = stacks["prod-stack"].readable()
    with pytest.raises(KeyError, match="is 4 already"):
        replace(STREAM, value=4).made_in(prod)
    with pytest.raises(KeyError):
        replace(STREAM, argument="no_argument", value=REMOVED).made_in(prod)
