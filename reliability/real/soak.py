"""A long run under a changing load, while faults come and go: what grows although it should not?"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple

from catalog.produce.simulation import Mix
from local.demo.verdict import Finding
from reliability.history import REAL_FAULTS, Fault
from reliability.real import timeline
from reliability.real.load import Load, Sample, holding
from reliability.real.pipeline import prepare, run_on_servers
from reliability.real.servers import Servers

_RATE, _PRODUCTS = 50, 500
_SAMPLE_SECONDS = 5.0
# The first part of the run does not count: everything is still being filled.
_WARM_UP_SHARE = 0.25
# Of servers and ways to them. Those of the function's processes would end what is measured.
_FAULTS = {kind: min(seconds, 10.0) for kind, seconds in REAL_FAULTS.items() if ": " in kind}
_PAUSE_SECONDS = (5.0, 25.0)
_MEGABYTE = 1_000_000


class Measure(NamedTuple):
    """What is measured; over the run it may grow by a share of its median, and by so much besides."""

    name: str
    of: Callable[[Sample], float | None]
    share: float
    besides: float


def _of_database(name: str, unit: float = 1.0) -> Callable[[Sample], float | None]:
    return lambda sample: sample.database[name] / unit if sample.database else None


MEASURES = (
    Measure("memory of a process, MB", lambda sample: sample.memory_bytes / _MEGABYTE, 0.1, 0.0),
    Measure("descriptors of a process", lambda sample: sample.descriptors, 0.0, 3.0),
    Measure("connections", _of_database("connections"), 0.0, 3.0),
    Measure("pending invalidations", _of_database("pending"), 0.0, 50.0),
    Measure("their table, MB", _of_database("pending_bytes", _MEGABYTE), 0.1, 0.3),
    Measure("products, MB", _of_database("products_bytes", _MEGABYTE), 0.1, 0.3),
    Measure("dead rows of products", _of_database("dead_rows"), 0.2, 500.0),
)


def run(minutes: int, seed: int, pictures: Path) -> bool:
    """Run for so long; print the verdict, and write a timeline. Return whether nothing grows."""
    prepare()
    seconds = 60.0 * minutes
    mix = Mix(
        rate=_RATE,
        seconds=seconds,
        products=_PRODUCTS,
        seed=seed,
        bad=0.02,
        late=0.02,
        duplicates=0.02,
        hot=0.8,
        steady=False,
    )

    async def work(servers: Servers) -> tuple[Load, list[tuple[float, float]], list[Finding]]:
        load = Load(servers, mix, sample_seconds=_SAMPLE_SECONDS)
        async with load.running():
            faults = await _let_faults_come_and_go(load, random.Random(seed))
            await load.heal()
            await load.settled()
            await load.none_pending()
            return load, faults, await load.judged()

    load, faults, findings = run_on_servers(work)
    warm = [sample for sample in load.samples if sample.at >= _WARM_UP_SHARE * seconds]
    findings += [judged(measure, warm) for measure in MEASURES]
    pictures.mkdir(parents=True, exist_ok=True)
    charts = [
        timeline.Chart(measure.name, [(one.at, measure.of(one)) for one in load.samples])
        for measure in MEASURES
    ]
    (pictures / "soak.svg").write_text(timeline.draw(f"{minutes} minutes with faults", charts, faults))
    print(f"{load.faults.happened.total():,} faults of {len(load.faults.happened)} kinds")
    return holding(findings)


def judged(measure: Measure, samples: Sequence[Sample]) -> Finding:
    """Return whether a measure is flat: a line through its values does not rise by more than is allowed."""
    points = [(one.at, value) for one in samples if (value := measure.of(one)) is not None]
    times, values = zip(*points, strict=True)
    growth = linear_regression(times, values).slope * (times[-1] - times[0])
    allowed = measure.share * median(values) + measure.besides
    return Finding(
        f"flat: {measure.name}",
        growth <= allowed,
        f"median {median(values):,.1f}, at most {max(values):,.1f}; grew by {growth:,.1f} in "
        f"{(times[-1] - times[0]) / 60:.0f} minutes, {allowed:,.1f} are allowed",
    )


async def _let_faults_come_and_go(load: Load, chance: random.Random) -> list[tuple[float, float]]:
    """Let one fault after another happen until all is sent; return when they did."""
    happened = []
    while not load.producing.done():
        kind = chance.choice(sorted(_FAULTS))
        began = load.world.now
        await load.faults.happen(Fault(0, kind, chance.random() * _FAULTS[kind], chance.random()))
        happened.append((began, load.world.now))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(load.producing), chance.uniform(*_PAUSE_SECONDS))
    return happened
