"""`python -m reliability.defects.simulation SEED HISTORIES INVARIANT`: find a history that breaks it.

Prints after how many histories one did, and how; 0 if none did. `any`: any invariant.
"""

import gc
import json
import sys

from reliability.defects.defect import ANY
from reliability.history import draw
from reliability.runs import prepare_process
from reliability.simulated.pipeline import run

_GARBAGE_EVERY = 20


def first_broken(seed: int, histories: int, invariant: str) -> tuple[int, str]:
    """Return after how many histories the invariant is broken, and how; 0 if it is not."""
    for count in range(1, histories + 1):
        for violation in run(draw(seed + count - 1)).violations:
            if invariant in (violation.invariant, ANY):
                return count, violation.what
        if count % _GARBAGE_EVERY == 0:
            gc.unfreeze()  # as `runs.run_some` does
            gc.collect()
    return 0, ""


if __name__ == "__main__":
    prepare_process()
    print(json.dumps(first_broken(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])), file=sys.__stdout__)
