"""Every price has its page and date, every driver its price, and no price is left over."""

from dataclasses import replace

import pytest

from costs.fixed import fixed_drivers
from costs.load import Load
from costs.prices import read_prices
from costs.usage import usage_drivers
from stacks.config.environments import Environment
from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.config.settings import OnDemand
from tests.support.environments import DEV, ENVIRONMENTS, PROD
from tests.support.synthesized import TODAY

PRICES = read_prices()
LOAD = Load(records_per_day=1_000_000)
ALL = [price for section in PRICES.sections.values() for price in section.values()]
VARIANTS = [
    *ENVIRONMENTS,
    replace(PROD, stream=replace(PROD.stream, capacity=OnDemand(expected_shards=4))),
    replace(PROD, function=replace(PROD.function, architecture="x86_64")),
]


def test_each_price_has_aws_s_page_and_a_date() -> None:
    assert PRICES.region == "us-east-1"
    assert PRICES.oldest.year >= TODAY.year - 1
    for price in ALL:
        assert price.page.startswith("https://aws.amazon.com/")
        assert price.page.endswith("/pricing/")
        assert price.dollars is not None
        assert 0 < price.dollars < 10


@pytest.mark.parametrize("instance_class", MAX_CONNECTIONS)
def test_each_accepted_instance_class_has_a_price(instance_class: str) -> None:
    database = replace(PROD.database, instance_class=instance_class)
    drivers = fixed_drivers(replace(DEV, database=database), PRICES)
    assert f"{instance_class} hour" in [each.price.unit for each in drivers if each.dollars]
    assert "Database Insights, advanced" in [each.name for each in drivers if each.count]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda each: each.name)
def test_everything_in_an_environment_has_a_price(environment: Environment) -> None:
    drivers = [*fixed_drivers(environment, PRICES), *usage_drivers(environment, PRICES, LOAD)]
    assert [each.name for each in drivers if each.dollars is None] == []


def test_each_price_is_one_of_a_driver() -> None:
    used = {
        each.price.unit
        for environment in VARIANTS
        for each in (*fixed_drivers(environment, PRICES), *usage_drivers(environment, PRICES, LOAD))
    }
    unused = {price.unit for price in ALL} - used
    assert {unit for unit in unused if not unit.startswith(("db.", "cache."))} == set()
