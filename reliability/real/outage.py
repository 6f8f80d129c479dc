"""Outages under load: Redis or PostgreSQL is gone, or the password is rotated. What follows is measured."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from catalog.produce.simulation import Mix
from local.demo.verdict import Finding
from reliability.history import Fault
from reliability.real import timeline
from reliability.real.load import Load, holding
from reliability.real.pipeline import prepare, run_on_servers
from reliability.real.servers import Servers

_BEFORE_SECONDS, _AFTER_SECONDS = 10.0, 20.0
_RATE, _PRODUCTS = 200, 2_000
# By the first invocation after the return, and by the schedule, which comes once a minute.
_MADE_UP_SECONDS, _BY_SCHEDULE_SECONDS = 2.0, 65.0
_MANY_PENDING, _LATE_RECORDS = 100_000, 50
# As late as records are when nothing fails.
_LATE_SECONDS = 2.5
_LEAST_BATCHES, _ROTATIONS = 100, 3
_SECRET_SECONDS = 2.0
_PEND = """
INSERT INTO pending_invalidation (product_id)
SELECT 'many-' || number FROM generate_series(1, $1::int) AS number
"""


def run(kind: str, seconds: float, pictures: Path) -> bool:
    """Run an outage of so many seconds; print the verdict, and write a timeline. Return whether all holds."""
    prepare()

    async def work(servers: Servers) -> tuple[Load, Result]:
        whole = _BEFORE_SECONDS + seconds + _AFTER_SECONDS
        load = Load(servers, _mix(whole))
        async with load.running():
            faults, findings = await _KINDS[kind](load, seconds)
            return load, (faults, findings + await load.judged())

    load, (faults, findings) = run_on_servers(work)
    pictures.mkdir(parents=True, exist_ok=True)
    path = pictures / f"outage-{kind}.svg"
    path.write_text(timeline.draw(_TITLES[kind].format(seconds=seconds), _charts(load), faults))
    print(f"the timeline is in {path}")
    return holding(findings)


def _mix(seconds: float) -> Mix:
    return Mix(
        rate=_RATE,
        seconds=seconds,
        products=_PRODUCTS,
        seed=1,
        bad=0.02,
        late=0.02,
        duplicates=0.02,
        hot=0.8,
        steady=True,
    )


# When something failed, from when to when, and what was found.
Result: TypeAlias = tuple[list[tuple[float, float]], list[Finding]]


async def _away(load: Load, kind: str, seconds: float) -> tuple[float, float]:
    """Let a server crash and come back; return when that was."""
    began = load.world.now
    await load.faults.happen(Fault(0, f"{kind}: crash", seconds, 0.9))
    return began, load.world.now


async def _redis(load: Load, seconds: float) -> Result:
    await load.until(_BEFORE_SECONDS)
    away = await _away(load, "valkey", seconds)
    made_up = await load.none_pending()
    first = next(at for at in load.begun if at >= away[1])
    errors = load.failures
    await load.settled()
    # Once more, and no record comes any more.
    again = asyncio.create_task(_away(load, "valkey", 5.0))
    await asyncio.sleep(1.0)
    for put in load.history.puts[:_LATE_RECORDS]:
        load.send(put)
    away_again = await again
    await load.settled()
    scheduled = await load.none_pending()
    load.stop_sampling()
    async with load.servers.administrator() as connection:
        await connection.execute(_PEND, _MANY_PENDING)
    began = load.world.now
    drained = await load.function.invoke({"source": "aws.events"})
    many = load.world.now - began
    return [away, away_again], [
        Finding(
            "no batch fails while Redis is gone",
            errors == 0,
            f"{errors} of {len(load.begun):,} invocations{_first_error(load)}",
        ),
        Finding(
            f"missed invalidations are made up within {_MADE_UP_SECONDS:.0f} s of the first invocation after",
            made_up - first <= _MADE_UP_SECONDS,
            f"{made_up - first:.1f} s",
        ),
        Finding(
            f"without traffic, within {_BY_SCHEDULE_SECONDS:.0f} s of its return",
            scheduled - away_again[1] <= _BY_SCHEDULE_SECONDS,
            f"{scheduled - away_again[1]:.1f} s",
        ),
        Finding(
            f"one invocation drains {_MANY_PENDING:,}",
            drained["pending_invalidations_drained"] == _MANY_PENDING,
            f"in {many:.1f} s",
        ),
    ]


async def _postgres(load: Load, seconds: float) -> Result:
    await load.until(_BEFORE_SECONDS)
    away = await _away(load, "postgres", seconds)
    await load.settled()
    caught_up = next(
        (sample.at for sample in load.samples if sample.at > away[1] and sample.lag_seconds <= _LATE_SECONDS),
        load.world.now,
    )
    best = max(rate for at, rate in _rates(load) if at >= away[1])
    return [away], [
        Finding(
            "records are on time again after its return sooner than it was gone",
            caught_up - away[1] <= away[1] - away[0],
            f"after {caught_up - away[1]:.1f} s, at up to {best:,.0f} records a second; {_RATE} come in",
        ),
    ]


async def _password(load: Load, seconds: float) -> Result:
    rotations = []
    for number in range(_ROTATIONS):
        await load.until(_BEFORE_SECONDS + seconds * number / _ROTATIONS)
        began = load.world.now
        fault = Fault(0, "postgres: password rotated", _SECRET_SECONDS, 0.5 + number / 10)
        await load.faults.happen(fault)
        rotations.append((began, load.world.now))
        # New processes log in with the new password.
        for environment in load.service.idle[:1]:
            load.service.idle.remove(environment)
            environment.kill()
    await load.settled()
    batches = load.mapping.progress.invocations
    return rotations, [
        Finding(
            f"no batch fails in at least {_LEAST_BATCHES}",
            load.failures == 0 and batches >= _LEAST_BATCHES,
            f"{load.failures} of {batches:,}, in {_ROTATIONS} rotations{_first_error(load)}",
        )
    ]


_KINDS: Mapping[str, Callable[[Load, float], Awaitable[Result]]] = {
    "redis": _redis,
    "postgres": _postgres,
    "password": _password,
}
_TITLES = {
    "redis": "Redis is gone for {seconds:.0f} s",
    "postgres": "PostgreSQL is gone for {seconds:.0f} s",
    "password": "The database's password is rotated three times",
}
KINDS = tuple(_KINDS)


def _first_error(load: Load) -> str:
    return "; at {:.1f} s {}".format(*load.errors[0]) if load.errors else ""


def _rates(load: Load) -> list[tuple[float, float]]:
    # Over two samples: the mapping reads once a second.
    return [
        (after.at, (after.records - before.records) / (after.at - before.at))
        for before, after in zip(load.samples, load.samples[2:], strict=False)
    ]


def _charts(load: Load) -> Sequence[timeline.Chart]:
    samples = load.samples
    errors = [(after.at, float(after.errors - before.errors)) for before, after in pairwise(samples)]
    return [
        timeline.Chart("records a second", _rates(load)),
        timeline.Chart("seconds behind", [(one.at, one.lag_seconds) for one in samples]),
        timeline.Chart("pending invalidations", [(one.at, one.database.get("pending")) for one in samples]),
        timeline.Chart("batches not done", errors),
    ]
