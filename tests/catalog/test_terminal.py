"""What the program prints is safe to show, and to pipe into a program that reads only some of it."""

import json
import os
import subprocess
import sys

from tests.catalog.conftest import Catalog

HOSTILE = "[red]x[/] [/nothing] \x1b]0;title\x07"


async def test_a_hostile_reason_is_shown_as_it_is(catalog: Catalog) -> None:
    await catalog("replay", "--yes", "--reason", HOSTILE)
    result = await catalog("history")
    assert "[red]x[/]" in result.stdout
    assert "\x1b" not in result.stdout
    (operation,) = json.loads((await catalog("history", "--json")).stdout)
    assert operation["reason"] == HOSTILE


def test_a_reader_that_has_enough_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [
        sys.executable,
        "-m",
        "catalog",
        "produce",
        "--simulate",
        "--seconds",
        "1",
        "--bad",
        "0",
        "--check",
    ]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
