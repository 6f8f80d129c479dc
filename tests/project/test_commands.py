"""CI and the commit hook run the commands of the Makefile."""

import re
import subprocess

import pytest

from lambda_packages.target import PROJECT

TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def test_ci_runs_targets_that_exist() -> None:
    used = re.findall(r"^\s*make ([a-z-]+)", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE)
    assert used
    assert set(used) <= TARGETS


@pytest.mark.parametrize("target", ["ready", "diff", "drift", "deploy", "destroy", "preflight", "key-policy"])
def test_an_empty_stack_reaches_the_command_that_refuses_it(target: str) -> None:
    run = subprocess.run(  # noqa: S603
        ["make", "--dry-run", target, "STACK="],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = re.findall(r"(?:terraform_cli|preflight|key_policy\.py|cdktf\.sh)\b.*", run.stdout)
    assert commands
    assert all(command.endswith(' ""') for command in commands)


def test_the_commit_hook_is_make_check() -> None:
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: (.*)", hooks) == ["make check"]
    assert re.findall(r"repo: (.*)", hooks) == ["local"]
