"""A log that cannot be written fails nothing."""

import io
import sys
from typing import Never

import pytest

from processor.adapters.telemetry import Telemetry
from processor.report import BatchReport, DrainReport


class _Full(io.StringIO):
    """A log on a full disk."""

    def write(self, _: str) -> Never:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("log", [_Full(), "closed"])
def test_a_log_that_cannot_be_written_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log: io.StringIO | str
) -> None:
    telemetry = Telemetry("dev")
    broken = log if isinstance(log, io.StringIO) else io.StringIO()
    if log == "closed":
        broken.close()
    monkeypatch.setattr(sys, "stdout", broken)
    telemetry.publish_batch(
        BatchReport(kinesis_records=1, failures=[OSError("x")]), request_id="r", connections_in_use=1
    )
    telemetry.publish_drain(DrainReport(), request_id="r")
    assert "the log could not be written" in capsys.readouterr().err


def test_a_log_and_its_errors_that_cannot_be_written_fail_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry("dev")
    monkeypatch.setattr(sys, "stdout", _Full())
    monkeypatch.setattr(sys, "stderr", _Full())
    telemetry.publish_batch(BatchReport(kinesis_records=1), request_id="r", connections_in_use=1)
