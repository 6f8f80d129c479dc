"""A recorded session is what the screen showed, when it showed it."""

import os
import re
import sys
from pathlib import Path

import pytest

from pictures.animation import picture
from pictures.terminal import RecordingError, Session, screen


def session(code: str) -> Session:
    """Return a session of a Python program."""
    return Session(words=[sys.executable, "-c", code], folder=Path.cwd(), variables=os.environ)


def test_a_program_has_a_terminal_and_its_size() -> None:
    with session("import os; print(os.isatty(1), os.get_terminal_size().columns)") as run:
        run.read_until(None, timeout_seconds=30)
    assert screen(run.text)[0] == "True 100"


def test_ctrl_c_ends_a_program_that_still_runs() -> None:
    with session("import signal; print('ready', flush=True); signal.pause()") as run:
        run.read_until("ready", timeout_seconds=30)
    assert "KeyboardInterrupt" in run.text


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        ("print('no')", "yes", r"did not print 'yes':\nno"),
        ("raise SystemExit('broken')", None, r"failed:\nbroken"),
    ],
)
def test_a_program_that_does_something_else_is_no_recording(
    code: str, words: str | None, message: str
) -> None:
    with session(code) as run, pytest.raises(RecordingError, match=message):
        run.read_until(words, timeout_seconds=30)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("10 %\r\x1b[2K20 %", ["20 %"]),
        ("bar\n10 %\r\x1b[2K\x1b[1A\x1b[2Kbar!\n20 %\n", ["bar!", "20 %", ""]),
        ("\x1b[?25l\x1b[32myes\x1b[0m\x1b[?25h", ["\x1b[32myes\x1b[0m"]),
    ],
)
def test_a_screen_has_what_was_written_last(text: str, lines: list[str]) -> None:
    assert screen(text) == lines


def test_rows_come_when_they_came_and_the_last_screen_stays() -> None:
    printed = [(0.0, "$ run\r\n"), (20.0, "half\r\n"), (40.0, "\x1b[1A\x1b[2Kdone\r\n")]
    svg = picture(printed, title="run", name="run")
    groups = re.findall(r'<g transform="translate\(0 ([-\d.]+)\)"([^>]*)>.*?>([^<]*)</text>', svg)
    assert groups == [
        ("0.0", "", "$&#160;run"),
        ("0.0", ' style="opacity: 0; animation: shown 2.50s 2.50s"', "half"),
        ("-24.4", ' style="animation: hidden 5.00s"', "done"),
    ]


def test_what_was_printed_at_once_does_not_move() -> None:
    assert "style=" not in picture([(0.0, "one\r\ntwo\r\n")], title="run", name="run").partition("<defs>")[2]
