"""CI and the commit hook run the commands of the Makefile."""

import re

from lambda_packages.target import PROJECT

TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def test_ci_runs_targets_that_exist() -> None:
    used = re.findall(r"^\s*make ([a-z-]+)", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE)
    assert used
    assert set(used) <= TARGETS


def test_the_commit_hook_is_make_check() -> None:
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: (.*)", hooks) == ["make check"]
    assert re.findall(r"repo: (.*)", hooks) == ["local"]
