"""Synthesizes the stacks in a separate process, as `python main.py` does."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class SynthesisError(Exception):
    """`main.py` exited with an error; the message is its output."""


def synthesize(
    outdir: Path,
    variables: Mapping[str, str],
    *,
    project: Path = ROOT,
    python: Path = Path(sys.executable),
) -> list[Path]:
    """Run `main.py` with these environment variables and return every stack's folder, named by its id.

    Raises: SynthesisError.
    """
    run = subprocess.run(  # noqa: S603
        [python, "main.py"],
        cwd=project,
        env={**variables, "CDKTF_OUTDIR": str(outdir)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SynthesisError(run.stdout.strip())
    return sorted((outdir / "stacks").iterdir())
