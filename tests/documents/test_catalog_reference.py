"""docs/catalog.md is the help of the program, and each command's help has what the program promises."""

import subprocess
import sys
from typing import Any

import pytest
import typer.main

from catalog.app import app
from tests.support.documents import PROJECT


def commands(path: str, group: Any) -> list[tuple[str, Any]]:
    found = []
    for name, command in group.commands.items():
        below = hasattr(command, "commands")
        found += commands(f"{path} {name}", command) if below else [(f"{path} {name}", command)]
    return found


ALL = commands("catalog", typer.main.get_command(app))


def test_the_reference_is_current() -> None:
    command = [sys.executable, "scripts/catalog_reference.py", "--check"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_each_help_has_two_examples_and_each_option_a_text(name: str, command: Any) -> None:
    _, found, examples = command.help.partition("Examples:")
    assert found, f"{name} has no examples"
    assert examples.count(name) >= 2, f"{name} has fewer than two examples"
    assert "--json" in {option for parameter in command.params for option in parameter.opts}, name
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help, f"{name}: {parameter.name} has no help"
