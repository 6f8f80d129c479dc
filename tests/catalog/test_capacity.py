"""`catalog capacity`: every part of a plan follows from the measurements by the formula that it shows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.capacity.dollars import drivers
from catalog.capacity.figures import Figures, read_figures
from catalog.capacity.plan import Load, Plan
from catalog.capacity.simulation import simulate
from catalog.errors import CatalogError, UsageError
from costs.load import Load as DailyLoad
from costs.prices import DAYS_PER_MONTH, read_prices
from costs.usage import usage_drivers
from tests.catalog.conftest import Catalog
from tests.support.environments import PROD

FIGURES = Figures(
    cpu_ms={100: 5.0, 1_000: 14.0, 10_000: 104.0},
    wait_ms={100: 50.0, 1_000: 50.0, 10_000: 100.0},
    spread=(0.9, 1.1),
    by_rows={10_000: 1.0, 100_000: 1.1, 1_000_000: 1.2},
    measured_on="2026-01-31",
)
LOAD = Load(
    rate=50_000,
    average=20_000,
    products=20_000_000,
    batch_size=1_000,
    window_seconds=5,
    parallelization=2,
    memory_mb=1_769,
    pool_size=2,
    outage_seconds=3_600,
)


def plan(**changed: Any) -> Plan:
    return Plan(replace(LOAD, **changed), FIGURES, read_prices())


def test_each_part_follows_by_its_formula() -> None:
    found = plan()
    assert found.shards == 63, "50,000 / 1,000 × 1.25"
    assert found.batch == 1_000, "5 s × 50,000 / 126 are more"
    assert found.batch_ms == pytest.approx(50 + 14)
    assert found.concurrency == 4, "50 batches a second × 0.064 s, rounded up"
    assert found.connections == 2 * (126 + 2) * 2
    assert found.row_us == pytest.approx(4.7 * FIGURES.growth(20_000_000) + 0.5)
    assert (found.databases, found.drain_seconds is not None) == (1, True)


def test_a_small_load_has_small_batches() -> None:
    found = plan(rate=100)
    assert (found.shards, found.batch) == (1, 251), "the first, and 5 s × 100 / 2 lanes"


def test_requests_are_those_of_the_average_batches() -> None:
    mapping = PROD.event_source
    found = plan(
        rate=3_000, average=500, batch_size=mapping.batch_size, window_seconds=mapping.window_seconds,
        parallelization=mapping.parallelization_factor,
    )  # fmt: skip
    assert found.shards == PROD.stream.capacity.planned_shards
    prices = read_prices()
    dollars = {each.name: each for each in drivers(found, prices)}
    costs = usage_drivers(PROD, prices, DailyLoad(records_per_day=500 * 86_400))
    for name in ("batches: requests", "archive: requests"):
        (of_costs,) = [each.count for each in costs if each.name == name]
        assert dollars[name].count == pytest.approx(of_costs)
    (step,) = [step for step in found.steps() if step.name == "batches a day"]
    assert step.value == pytest.approx(dollars["archive: requests"].count * 1000 / DAYS_PER_MONTH)


@pytest.mark.parametrize(
    ("size", "milliseconds"),
    [(100, 5.0), (550, 9.5), (1_000, 14.0), (5_500, 59.0), (10, 4.1), (20_000, 204.0)],
)
def test_times_are_on_lines_between_what_was_measured(size: int, milliseconds: float) -> None:
    assert FIGURES.batch_cpu_ms(size) == pytest.approx(milliseconds)


def test_a_larger_table_is_as_much_slower_per_tenfold_as_the_measured_ones() -> None:
    assert FIGURES.growth(10_000_000) == pytest.approx(1.3)
    assert FIGURES.growth(1_000_000) == pytest.approx(1.2)


def test_a_million_updates_need_several_databases() -> None:
    found = plan(rate=1_000_000, products=500_000_000)
    most = max(found.classes, key=lambda each: each.rows)
    assert found.databases >= 1_000_000 / most.rows > 1
    assert most.limit == "disk"


def test_too_few_lanes_are_refused() -> None:
    slow = replace(FIGURES, wait_ms={100: 5_000.0, 1_000: 5_000.0, 10_000: 5_000.0})
    with pytest.raises(UsageError, match="accepted: a larger --parallelization"):
        Plan(replace(LOAD, parallelization=1), slow, read_prices())


def test_burstable_classes_are_planned_with_what_they_have_for_ever() -> None:
    by_class = {each.instance_class: each for each in plan(products=1_000).classes}
    assert by_class["db.t4g.large"].rows < by_class["db.m7g.large"].rows


def run(rate: float, seed: int = 1) -> Any:
    lanes = max(2, round(rate / 400))
    return simulate(
        replace(LOAD, rate=round(rate)), FIGURES, "db.m7g.large", rate=rate, lanes=lanes, seed=seed
    )


def test_a_database_keeps_up_until_it_is_full() -> None:
    quiet, busy, full = (run(rate) for rate in (5_000, 30_000, 400_000))
    assert quiet.keeps_up
    assert busy.keeps_up
    assert not full.keeps_up
    assert quiet.p99_seconds < LOAD.window_seconds + 1
    assert full.p99_seconds > busy.p99_seconds
    assert quiet.busy < busy.busy


def test_an_outage_is_drained_unless_the_database_is_full() -> None:
    assert [run(rate).drains for rate in (10_000, 50_000, 400_000)] == [True, True, False]


def test_chance_comes_from_the_seed() -> None:
    assert run(20_000) == run(20_000)
    assert run(20_000) != run(20_000, seed=2)


def test_the_shipped_measurements_are_complete() -> None:
    figures = read_figures()
    assert {100, 1_000, 10_000} <= set(figures.cpu_ms)
    assert figures.spread[0] < 1 < figures.spread[1]


def test_without_measurements_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="run `make bench`"):
        read_figures(tmp_path / "results.json")


async def test_the_command_prints_formulas_dollars_and_advice(catalog: Catalog) -> None:
    result = await catalog("capacity", "--rate", "1000000", "--products", "500000000")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.replace("│", " ").split())
    assert "1,000,000 updates/s ÷ 1,000 a shard × 1.25 reserve" in text
    assert "Divide the products over" in text
    assert "shard-hour" in text


async def test_the_plot_is_the_same_for_the_same_seed(catalog: Catalog, tmp_path: Path) -> None:
    plots = [tmp_path / name for name in ("a.svg", "b.svg")]
    for path in plots:
        result = await catalog("capacity", "--rate", "5000", "--plot", str(path), "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["dollars_a_month"] > 0
    first, second = (path.read_bytes() for path in plots)
    assert first == second
    assert b"db.m7g.2xlarge" in first
