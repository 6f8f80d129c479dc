"""`python -m reliability.defects.simulation SEED HISTORIES INVARIANT [WORLD]`: find a history that breaks it.

Prints after how many histories one did, and how; 0 if none did. `any`: any invariant. The world is the
simulated one, or another of `runs`.
"""

import gc
import json
import sys

from reliability.defects.defect import ANY
from reliability.runs import SIMULATED, module_of, prepare_process

_GARBAGE_EVERY = 20


def first_broken(seed: int, histories: int, invariant: str, world: str = SIMULATED) -> tuple[int, str]:
    """Return after how many histories the invariant is broken, and how; 0 if it is not."""
    module = module_of(world)
    for count in range(1, histories + 1):
        for violation in module.run(module.draw(seed + count - 1)).violations:
            if invariant in (violation.invariant, ANY):
                return count, violation.what
        if count % _GARBAGE_EVERY == 0:
            gc.collect()  # as `runs.run_some` does
    return 0, ""


if __name__ == "__main__":
    first_seed, most, broken, *worlds = sys.argv[1:]
    prepare_process(*worlds)
    print(json.dumps(first_broken(int(first_seed), int(most), broken, *worlds)), file=sys.__stdout__)
