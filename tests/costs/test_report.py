"""The line at synthesis, the table, and the command."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from costs.capacity import capacity
from costs.load import Load
from costs.prices import read_prices
from costs.report import footer, summary, table
from stacks.config.environments import ENVIRONMENTS as OWN
from stacks.config.environments import Environment
from tests.support.documents import PROJECT
from tests.support.environments import DEV, ENVIRONMENTS, PROD
from tests.support.networks import in_new_vpc

PRICES = read_prices()
LOAD = Load(records_per_day=1_000_000)
IRISH = replace(DEV, region="eu-west-1", network=in_new_vpc(DEV, zone_ids=("euw1-az1", "euw1-az2")))
UNPRICED = replace(DEV, cache=replace(DEV.cache, node_type="cache.z9g.huge"))


def test_capacity_of_prod() -> None:
    found = capacity(PROD)
    # Four shards take a thousand records a second each.
    assert found.records_by_shards == 4000
    # Eight batches at a time, of 1,000 records: (30 + 12 / (1024 / 1769)) ms each.
    assert found.batch_ms == pytest.approx(50.73, abs=0.01)
    assert found.records_by_function == pytest.approx(8 * 1000 / 0.05073, rel=0.001)
    # 2 × 10 execution environments × 2; 80 % of 850.
    assert (found.connections, found.allowed_connections) == (60, 680)


def test_a_shard_has_as_many_batches_at_a_time_as_its_factor() -> None:
    many = replace(DEV, event_source=replace(DEV.event_source, parallelization_factor=4))
    assert capacity(many).records_by_function == pytest.approx(4 * capacity(DEV).records_by_function)


def test_the_line_of_an_environment() -> None:
    assert summary(PROD, PRICES) == (
        "prod-stack: 4,000 records/s by shards, 150,000 at 51 ms a batch, 60 of 680 connections, $585/month"
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda each: each.name)
def test_the_line_is_short(environment: Environment) -> None:
    assert len(summary(environment, PRICES)) <= 100


def test_the_line_says_whose_prices_they_are_and_what_has_none() -> None:
    assert summary(IRISH, PRICES).endswith("/month at prices of us-east-1")
    assert summary(UNPRICED, PRICES).endswith("$87/month without cache.z9g.huge hours")


def test_the_archive_s_storage_is_that_after_each_year() -> None:
    (line,) = [line for line in table(PROD, PRICES, LOAD).splitlines() if line.startswith("storage of the")]
    assert re.sub(r"\$[\d.]+", "$", line) == (
        "storage of the archive: $ a month after one year, $ after two, $ after three"
    )


def test_the_table_of_prod() -> None:
    lines = table(PROD, PRICES, LOAD).splitlines()
    assert lines[0] == summary(PROD, PRICES)
    rows = {line[:29].rstrip(): line.split() for line in lines}
    assert rows["database instance"][-5:] == ["1,460", "db.m7g.large", "hour", "0.168", "245.28"]
    assert rows["= at rest"][-1] == "585.20"
    assert float(rows["= a month"][-1]) == pytest.approx(
        585.20 + float(rows["= for 1,000,000 records a day"][-1]), abs=0.011
    )
    assert "nothing for: NAT gateways, NAT gateways' addresses" in lines
    assert "batches a day of 10.6 records, assumed to take 34 ms each" in "\n".join(lines)
    assert max(map(len, [*lines, *footer(PRICES).splitlines()])) <= 120


def test_the_table_says_what_is_missing_or_too_much() -> None:
    assert "no price of cache.z9g.huge hour: add it to costs/prices.toml" in table(UNPRICED, PRICES, LOAD)
    other = "these are prices of us-east-1; eu-west-1, where it is, has others"
    assert other in table(IRISH, PRICES, LOAD)
    assert other not in table(DEV, PRICES, LOAD)
    # The busiest hour has 3,490 of 28,672 records.
    much = table(DEV, PRICES, Load(records_per_day=100_000_000))
    assert "too much: 3,381 records/s in the busiest hour; it can take 2,000" in much
    assert "too much" not in table(DEV, PRICES, LOAD)


STACK_IDS = ", ".join(each.stack_id for each in OWN)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit status and what it printed."""
    command = [sys.executable, "-m", "costs", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_one_stack() -> None:
    status, printed, errors = run(OWN[0].stack_id, "--records-per-day", "1000")
    assert (status, errors) == (0, "")
    assert printed == f"{table(OWN[0], PRICES, Load(records_per_day=1000))}\n\n{footer(PRICES)}\n"


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("test-stack",), f"There is no test-stack; accepted: {STACK_IDS}"),
        (
            ("--records-per-day", "1e6"),
            "RECORDS_PER_DAY is '1e6'; accepted: a whole number, 1 to 1000000000000",
        ),
        (("--records-per-day", "0"), "RECORDS_PER_DAY is '0'; accepted: a whole number, 1 to 1000000000000"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments: tuple[str, ...], refusal: str) -> None:
    assert run(*arguments) == (1, "", f"{refusal}\n")


@pytest.mark.parametrize(("given", "passed"), [((), ""), (("STACK=prod-stack",), "prod-stack ")])
def test_make_cost_is_of_every_stack_unless_one_is_named(given: tuple[str, ...], passed: str) -> None:
    planned = subprocess.run(  # noqa: S603
        ["make", "--dry-run", "cost", *given],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    (command,) = [line for line in planned.stdout.splitlines() if "-m costs" in line]
    assert command.split("-m costs ")[1].strip() == f'{passed}--records-per-day "1000000"'
