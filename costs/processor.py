"""How long the function takes: an assumption until it is measured on AWS.

On a developer's machine a batch takes 1.5 to 2 ms and each of its records 8 to 10 µs of a whole core
(docs/performance.md). Lambda gives a function the share of a core that its memory is of 1,769 MB
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). Beside that it waits: for S3 about
25 ms, while the database answers, and then for the cache.
"""

from costs.logs import DRAINS_PER_MONTH
from stacks.config.settings import FunctionSettings

WAIT_MS = 30.0
CPU_MS_PER_BATCH = 2.0
CPU_MS_PER_RECORD = 0.010
DRAIN_CPU_MS = 2.0
DRAIN_WAIT_MS = 5.0
_MB_OF_A_CORE = 1769


def batch_ms(records: float, function: FunctionSettings) -> float:
    """Return how long a batch of this many records takes."""
    cpu_ms = CPU_MS_PER_BATCH + records * CPU_MS_PER_RECORD
    return WAIT_MS + cpu_ms / _share_of_a_core(function)


def drain_gb_seconds(function: FunctionSettings) -> float:
    """Return what a month's drains take."""
    drain_ms = DRAIN_WAIT_MS + DRAIN_CPU_MS / _share_of_a_core(function)
    return gb_seconds(DRAINS_PER_MONTH * drain_ms, function)


def gb_seconds(duration_ms: float, function: FunctionSettings) -> float:
    """Return what Lambda bills for a duration."""
    return duration_ms / 1000 * function.memory_mb / 1024


def _share_of_a_core(function: FunctionSettings) -> float:
    # The code uses one core at a time.
    return min(function.memory_mb / _MB_OF_A_CORE, 1.0)
