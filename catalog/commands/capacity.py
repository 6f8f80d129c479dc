"""`catalog capacity`: how large an environment must be for a load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from catalog.capacity.advice import advice
from catalog.capacity.dollars import drivers
from catalog.capacity.figures import Figures, read_figures
from catalog.capacity.plan import Load, Plan
from catalog.capacity.plot import draw
from catalog.capacity.simulation import Simulated, simulate
from catalog.console import Output
from catalog.options import AsJson
from catalog.running import run_alone
from costs.driver import Driver, total
from costs.load import WEEK_BY_HOUR
from costs.prices import Prices, read_prices

_HOUR = 3600
_PLOTTED = ("db.t4g.medium", "db.m7g.large", "db.m7g.xlarge", "db.m7g.2xlarge")
_RATES = (1_000, 3_000, 10_000, 30_000, 60_000, 100_000, 200_000, 300_000, 500_000, 700_000, 1_000_000)
_BUSIEST_OVER_AVERAGE = max(WEEK_BY_HOUR) * len(WEEK_BY_HOUR) / sum(WEEK_BY_HOUR)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(capacity)


def capacity(
    rate: Annotated[int, typer.Option(min=1, max=10_000_000, help="Updates a second in the busiest hour.")],
    products: Annotated[int, typer.Option(min=1, max=10**10, help="How many products.")] = 1_000_000,
    average: Annotated[
        int | None,
        typer.Option(
            min=1, help="Updates a second over a day. Default: as in the shipped week.", show_default=False
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Records in a batch at most.")] = 1_000,
    window: Annotated[int, typer.Option(min=1, max=300, help="Seconds until a batch begins.")] = 5,
    parallelization: Annotated[int, typer.Option(min=1, max=10, help="Batches at once of a shard.")] = 2,
    memory: Annotated[int, typer.Option(min=256, max=10_240, help="MB of the function.")] = 1_024,
    pool_size: Annotated[int, typer.Option(min=1, max=100, help="Connections of an environment.")] = 2,
    outage: Annotated[float, typer.Option(min=0.01, max=168, help="Hours of the outage to drain.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the simulation: the same seed, the same result.")] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Draw where one database ends into this SVG file.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute shards, concurrency, connections, classes, storage and dollars for a load, with each formula.

    The times are those that `make bench` measured, on another machine than AWS's: plan with a reserve, and
    measure. How long batches wait for each other is simulated, by chance, with the measured times.

    `--json` prints load, measured_on, results (name, value, shown, formula), dollars (name, count, unit,
    dollars), dollars_a_month, simulated (rate, instance_class, p50_seconds, p99_seconds, busy, keeps_up,
    drains) and advice. The exit code is 1 if the plan cannot keep up.

    Examples:

        catalog capacity --rate 50000 --products 20000000
        catalog capacity --rate 1000000 --products 500000000 --batch-size 5000 --plot capacity.svg
    """
    output = Output(as_json=as_json)
    load = Load(
        rate=rate,
        average=average or rate / _BUSIEST_OVER_AVERAGE,
        products=products,
        batch_size=batch_size,
        window_seconds=window,
        parallelization=parallelization,
        memory_mb=memory,
        pool_size=pool_size,
        outage_seconds=round(outage * _HOUR),
    )

    async def command() -> int:
        return _compute(output, load, seed=seed, plot=plot)

    run_alone(output, command)


def _compute(output: Output, load: Load, *, seed: int, plot: Path | None) -> int:
    figures, prices = read_figures(), read_prices()
    plan = Plan(load, figures, prices)
    simulated = simulate(
        load,
        figures,
        plan.database.instance_class,
        rate=load.rate / plan.databases,
        lanes=plan.lanes // plan.databases,
        seed=seed,
    )
    if plot is not None:
        draw(_sweep(output, load, figures, seed), plot)
        output.say(f"Wrote {plot}.")
    output.data(
        _document(plan, prices, simulated),
        *_renderables(plan, prices, simulated),
    )
    return 0 if simulated.keeps_up and plan.drain_seconds is not None else 1


def _sweep(output: Output, load: Load, figures: Figures, seed: int) -> list[Simulated]:
    """Simulate one database of each class by rate, until it does not keep up."""
    found = []
    with output.progress("simulated", len(_PLOTTED) * len(_RATES)) as advance:
        for instance_class in _PLOTTED:
            for rate in _RATES:
                lanes = max(1, rate * load.parallelization // 800)
                point = simulate(load, figures, instance_class, rate=rate, lanes=lanes, seed=seed)
                found.append(point)
                advance(1)
                if not point.keeps_up:
                    break
    return found


def _document(plan: Plan, prices: Prices, simulated: Simulated) -> dict[str, Any]:
    found = drivers(plan, prices)
    return {
        "load": {name: getattr(plan.load, name) for name in plan.load.__dataclass_fields__},
        "measured_on": plan.figures.measured_on,
        "results": [
            {"name": step.name, "value": step.value, "shown": step.shown, "formula": step.formula}
            for step in plan.steps()
        ],
        "dollars": [
            {"name": each.name, "count": each.count, "unit": each.price.unit, "dollars": each.dollars}
            for each in found
        ],
        "dollars_a_month": total(found),
        "simulated": {name: getattr(simulated, name) for name in simulated.__dataclass_fields__},
        "advice": list(advice(plan)),
    }


def _renderables(plan: Plan, prices: Prices, simulated: Simulated) -> Sequence[RenderableType]:
    results = Table("part", "result", "formula")
    for step in plan.steps():
        results.add_row(step.name, step.shown, step.formula)
    found = drivers(plan, prices)
    bill = Table("a month, in the third year", "count", "unit", "dollars")
    for each in found:
        bill.add_row(each.name, f"{each.count:,.0f}", each.price.unit, _dollars(each))
    bill.add_section()
    bill.add_row("in all", "", "", f"{total(found):,.0f}")
    return (
        results,
        _simulated(plan, simulated),
        bill,
        *advice(plan),
        f"By measurements of {plan.figures.measured_on} (benchmarks/results.json) and list prices of "
        f"{prices.region} (costs/prices.toml). Not counted: network, alarms, logs, backups, the shop.",
    )


def _simulated(plan: Plan, simulated: Simulated) -> str:
    if not simulated.keeps_up:
        outage = "it does not keep up"
    else:
        outage = f"after an outage it is {'' if simulated.drains else 'not '}up to date again"
    return (
        f"Simulated, one {simulated.instance_class} with {simulated.rate:,.0f} updates/s: half are in the "
        f"catalog after {simulated.p50_seconds:.1f} s, 99 of 100 after {simulated.p99_seconds:.1f} s (the "
        f"window is {plan.load.window_seconds} s); its cores are {simulated.busy:.0%} busy; {outage}."
    )


def _dollars(driver: Driver) -> str:
    return "?" if driver.dollars is None else f"{driver.dollars:,.0f}"
