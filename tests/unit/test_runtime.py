"""The process's runtime: what its beginning does to garbage collection, and only once."""

import gc

import pytest

from processor import runtime
from tests.unit.test_settings import REQUIRED


def test_another_runtime_of_the_process_freezes_no_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**REQUIRED, "AWS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    runtime.current()
    frozen = gc.get_freeze_count()
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "other")

    assert runtime.current().settings.environment_suffix == "other"
    assert 0 < gc.get_freeze_count() <= frozen
