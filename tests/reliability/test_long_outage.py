"""Ten minutes without Redis, in simulated time: no batch fails, and what was missed is made up soon."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context

from reliability.history import History, Put, draw
from reliability.runs import prepare_process
from reliability.simulated.pipeline import SimulatedPipeline
from reliability.simulated.world import BEGINNING, machine_of

BEGINS, ENDS = 10.0, 610.0
LAST_SECOND = 632
# Updates come so often. 100,000 products would take too long: `reliability outage redis` drains so many for
# real.
EVERY_SECONDS = 10
MADE_UP_SECONDS, BY_SCHEDULE_SECONDS = 2.0, 65.0
PROBE_SECONDS = 0.05


def history(last_second: int) -> History:
    """Return a history of updates until then, each of another product."""
    puts = []
    for second in range(1, last_second, EVERY_SECONDS):
        at = (BEGINNING + timedelta(seconds=second)).isoformat()
        product = f"product-{second}"
        update = {"product_id": product, "inventory": second, "event_time": at}
        puts.append(Put(float(second), product, (json.dumps(update).encode(),)))
    return replace(
        draw(1),
        shards=2,
        batch_size=100,
        readers=1,
        retries=0,
        age_seconds=0.0,
        row_seconds=0.0,
        cache_is_out=False,
        puts=tuple(puts),
        faults=(),
        acts=(),
    )


def made_up(last_second: int, *, faults_seconds: float) -> tuple[float, float]:
    """Run it; return when the first invocation after the outage began, and when nothing was pending.

    In a process of its own, which is made ready for what a simulation leaves behind.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare_process) as pool:
        return pool.submit(_made_up, last_second, faults_seconds).result()


def _made_up(last_second: int, faults_seconds: float) -> tuple[float, float]:
    pipeline = SimulatedPipeline(history(last_second), faults_seconds=faults_seconds)
    world = pipeline.world
    pending: list[tuple[float, int]] = []

    def probe() -> None:
        pending.append((world.now, len(pipeline.tables.pending)))
        world.after(PROBE_SECONDS, probe)

    def take_away() -> None:
        valkey = pipeline.network.hosts["valkey"]
        valkey.refuses_until = ENDS
        for connection in list(valkey.connections):
            connection.reset()

    world.after(BEGINS, take_away)
    probe()
    with machine_of(world):
        outcome = pipeline.run()
    assert outcome.violations == []
    progress = pipeline.mapping.progress
    assert (progress.function_errors, progress.reported_failures, progress.records_discarded) == (0, 0, 0)
    assert max(count for _, count in pending) > 0
    first = next(at for at, text in world.trace if at >= ENDS and text.startswith("invocation"))
    return first, next(at for at, count in pending if at >= ENDS and count == 0)


def test_the_first_invocation_after_ten_minutes_without_redis_makes_up_for_them() -> None:
    first, done = made_up(LAST_SECOND, faults_seconds=LAST_SECOND + 10.0)
    assert done - first <= MADE_UP_SECONDS


def test_without_traffic_the_schedule_makes_up_for_them() -> None:
    _, done = made_up(300, faults_seconds=ENDS + 70.0)
    assert done - ENDS <= BY_SCHEDULE_SECONDS
