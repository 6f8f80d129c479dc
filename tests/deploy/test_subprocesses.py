"""A program's output is read while it runs; when we end, it ends with all its descendants."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.deploy import subprocesses
from local.servers.guard import running_processes
from tests.support.polling import until

# Like cdktf, Terraform and the provider: each in a separate session, so that no group's signal reaches all.
_FAMILY = (
    "import subprocess, sys, os\n"
    "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    "print(os.getpid(), child.pid, flush=True)\n"
    "child.wait()\n"
)
_GONE_SECONDS = 5.0
_START_SECONDS = 20.0


async def run(program: str, tmp_path: Path, lines: list[str]) -> int:
    words = [sys.executable, "-c", program]
    return await subprocesses.run(
        words, directory=tmp_path, variables={}, log_path=tmp_path / "log", on_line=lines.append
    )


async def test_lines_and_code(tmp_path: Path) -> None:
    lines: list[str] = []
    program = "import sys; print('one'); sys.stdout.flush(); print('two', end=''); sys.exit(7)"
    assert await run(program, tmp_path, lines) == 7
    assert lines == ["one", "two"]
    assert subprocesses.last_lines(tmp_path / "log", 1) == "two"


async def test_a_cancellation_ends_the_program_and_its_children(tmp_path: Path) -> None:
    lines: list[str] = []
    running = asyncio.create_task(run(_FAMILY, tmp_path, lines))
    await asyncio.to_thread(until, lambda: bool(lines), "the family is there", _START_SECONDS)
    family = {int(word) for word in lines[0].split()}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert running_processes().keys().isdisjoint(family)


_PARENT = """
import asyncio, signal, sys
from pathlib import Path
from local.deploy import subprocesses

# A shell ignores it in what it starts with "&".
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(subprocesses.run([sys.executable, "-c", sys.argv[1]], directory=Path("/"), variables={},
            log_path=Path(sys.argv[2]), on_line=lambda line: print(line, flush=True)))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_us_ends_the_program_and_its_children(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _PARENT, _FAMILY, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with parent:
        assert parent.stdout is not None
        family = {int(word) for word in parent.stdout.readline().split()}
        assert len(family) == 2
        parent.send_signal(number)
        until(lambda: running_processes().keys().isdisjoint(family), "the family is gone", _GONE_SECONDS)
