"""Try the misconfigurations: each must make the test fail that is named with it.

`--sample n`: only n of them, which change every day, so that all are tried in the long run.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from tests.misconfigurations.misconfiguration import Misconfiguration
from tests.misconfigurations.seeded import SEEDED
from tests.support.environments import PROD, THROWAWAY
from tests.support.synthesized import (
    ENCRYPTED,
    MISCONFIGURED,
    Stack,
    synthesize,
    synthesize_encrypted,
    write_stacks,
)

TESTS = Path(__file__).parents[1]
# The synthesis imported typeguard, which is a plugin too.
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")


def main() -> int:
    """Try all, or a sample, and return how many are not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=len(SEEDED))
    chosen = sample(SEEDED, parser.parse_args().sample, day=datetime.now(UTC).toordinal())
    with tempfile.TemporaryDirectory() as directory:
        survivors = survivors_of(chosen, Path(directory))
    for survivor in survivors:
        sys.stdout.write(f"NOT CAUGHT  {survivor.name}, by {survivor.caught_by}\n")
    sys.stdout.write(
        f"{len(chosen) - len(survivors)} of {len(chosen)} misconfigurations are caught by name\n"
    )
    return min(len(survivors), 1)


def sample(seeded: Sequence[Misconfiguration], size: int, *, day: int) -> list[Misconfiguration]:
    """Return the sample of a day: the next `size` of them each day, and after the last the first again."""
    size = min(size, len(seeded))
    return [seeded[(day * size + number) % len(seeded)] for number in range(size)]


def survivors_of(chosen: Sequence[Misconfiguration], directory: Path) -> list[Misconfiguration]:
    """Return those that are not caught; raise RuntimeError if a test fails without a mistake."""
    stacks = synthesize({"ENVIRONMENT_SUFFIX": THROWAWAY}, directory)
    readable = {name: stack.readable() for name, stack in stacks.items()}
    (directory / ENCRYPTED).mkdir()
    encrypted = synthesize_encrypted(directory / ENCRYPTED)
    if tests_fail(sorted({each.caught_by for each in chosen}), readable, encrypted, directory):
        raise RuntimeError("a test fails without any mistake: make test tells which")
    survivors = []
    for each in chosen:
        if each.with_key:
            wrong = readable, {**encrypted, PROD.name: each.made_in(encrypted[PROD.name])}
        else:
            wrong = {**readable, PROD.stack_id: each.made_in(readable[PROD.stack_id])}, encrypted
        if tests_fail([each.caught_by], *wrong, directory):
            sys.stdout.write(f"caught      {each.name}, by {each.caught_by}\n")
        else:
            survivors.append(each)
    return survivors


def tests_fail(
    names: Sequence[str], stacks: dict[str, Stack], encrypted: dict[str, Stack], directory: Path
) -> bool:
    """Return whether one of the tests fails with these stacks; raise RuntimeError if pytest finds none."""
    folder = directory / "misconfigured"
    write_stacks(stacks, folder)
    write_stacks(encrypted, folder / ENCRYPTED)
    os.environ[MISCONFIGURED] = str(folder)
    try:
        with redirect_stdout(StringIO()) as output:
            code = pytest.main([*_OPTIONS, *(str(TESTS / name) for name in names)])
    finally:
        del os.environ[MISCONFIGURED]
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest cannot run {names}:\n{output.getvalue()}")
    return code == pytest.ExitCode.TESTS_FAILED


if __name__ == "__main__":
    sys.exit(main())
