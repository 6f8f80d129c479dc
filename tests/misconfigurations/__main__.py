"""Try the misconfigurations: each must make the test fail that is named with it.

`--sample n`: only n of them, which change every day, so that all are tried in the long run.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from tests.misconfigurations.misconfiguration import Misconfiguration
from tests.misconfigurations.seeded import SEEDED
from tests.support.environments import DEV, PROD, THROWAWAY
from tests.support.synthesized import (
    ENCRYPTED,
    MISCONFIGURED,
    REPLAYING,
    Stack,
    synthesize,
    synthesize_encrypted,
    synthesize_replaying,
    write_stacks,
)

TESTS = Path(__file__).parents[1]
# The folder of a kind of stacks → the one that gets the mistakes.
WRONG = {"": PROD.stack_id, ENCRYPTED: PROD.name, REPLAYING: DEV.name}
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
    plain = synthesize({"ENVIRONMENT_SUFFIX": THROWAWAY}, directory)
    stacks = {"": {name: stack.readable() for name, stack in plain.items()}}
    for folder, make in ((ENCRYPTED, synthesize_encrypted), (REPLAYING, synthesize_replaying)):
        (directory / folder).mkdir()
        stacks[folder] = make(directory / folder)
    if tests_fail(sorted({each.caught_by for each in chosen}), stacks, directory):
        raise RuntimeError("a test fails without any mistake: make test tells which")
    survivors = []
    for each in chosen:
        right, id_ = stacks[each.folder], WRONG[each.folder]
        wrong = {**stacks, each.folder: {**right, id_: each.made_in(right[id_])}}
        if tests_fail([each.caught_by], wrong, directory):
            sys.stdout.write(f"caught      {each.name}, by {each.caught_by}\n")
        else:
            survivors.append(each)
    return survivors


def tests_fail(names: Sequence[str], stacks: Mapping[str, Mapping[str, Stack]], directory: Path) -> bool:
    """Return whether one of the tests fails with these stacks, by folder.

    Raises: RuntimeError if pytest finds none.
    """
    folder = directory / "misconfigured"
    for kind, found in stacks.items():
        write_stacks(found, folder / kind)
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
