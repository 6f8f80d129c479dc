"""Every kind of resource in the stacks has a price, or a reason why it needs none."""

from dataclasses import replace
from pathlib import Path

import pytest

from costs.driver import Driver
from costs.fixed import fixed_drivers
from costs.free import FREE
from costs.load import DEFAULT_RECORDS_PER_DAY, Load
from costs.prices import HOURS_PER_MONTH, read_prices
from costs.usage import usage_drivers
from stacks.config.environments import Environment
from tests.support.environments import DEV, PROD, STAGING
from tests.support.networks import in_new_vpc
from tests.support.synthesized import Stack, synthesize_bootstrap

PRICES = read_prices()
OPEN = replace(DEV, network=in_new_vpc(DEV, nat_gateways=1))
ENVIRONMENTS = {"dev": DEV, "staging": STAGING, "prod": PROD, "open": OPEN}


def drivers(environment: Environment) -> list[Driver]:
    """Return everything that is paid for."""
    load = Load(records_per_day=DEFAULT_RECORDS_PER_DAY)
    return [*fixed_drivers(environment, PRICES), *usage_drivers(environment, PRICES, load)]


def kinds(stack: Stack) -> set[str]:
    """Return every kind of resource, data source and ephemeral resource of a stack."""
    return {kind for section in ("resource", "data", "ephemeral") for kind in stack.document.get(section, {})}


@pytest.fixture
def observed(readable: dict[str, Stack], open_dev: Stack) -> dict[str, Stack]:
    """Every environment's stack, and one with a NAT gateway."""
    return {**{name: readable[name] for name in ENVIRONMENTS if name in readable}, "open": open_dev}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_kind_is_priced_or_free(observed: dict[str, Stack], name: str) -> None:
    paid = {kind for driver in drivers(ENVIRONMENTS[name]) if driver.count for kind in driver.kinds}
    # Paid for per transition, and objects as small as these are never moved.
    assert kinds(observed[name]) - paid - {"aws_s3_bucket_lifecycle_configuration"} - FREE.keys() == set()


def test_nothing_is_both_priced_and_free() -> None:
    assert FREE.keys().isdisjoint(kind for driver in drivers(PROD) for kind in driver.kinds)


def test_each_free_kind_is_in_a_stack(observed: dict[str, Stack], tmp_path: Path) -> None:
    bootstrap = synthesize_bootstrap(
        {
            "CATALOG_ACCOUNT_ID": "123456789012",
            "CATALOG_STATE_BUCKET": "states",
            "CATALOG_REPOSITORY": "octo/shop",
        },
        tmp_path,
    )
    found = set().union(*map(kinds, [*observed.values(), bootstrap]))
    # Only where `alarms.emails` names somebody, and where `replay` is set.
    assert FREE.keys() - found == {"aws_sns_topic_subscription", "aws_sfn_state_machine"}
    paid = {kind for driver in drivers(PROD) for kind in driver.kinds}
    assert kinds(bootstrap) - FREE.keys() <= paid


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_counts_are_those_of_the_stack(observed: dict[str, Stack], name: str) -> None:
    stack, found = observed[name], {each.name: each.count for each in drivers(ENVIRONMENTS[name])}
    alarms = stack.all("aws_cloudwatch_metric_alarm").values()
    assert found["alarms"] == sum(
        sum("metric" in query for query in alarm["metric_query"]) if "metric_query" in alarm else 1
        for alarm in alarms
    )
    # RDS creates one more, for the administrator.
    assert found["secrets"] == len(stack.all("aws_secretsmanager_secret")) + 1
    assert found["dashboard"] == len(stack.all("aws_cloudwatch_dashboard"))
    assert found["NAT gateways"] == len(stack.all("aws_nat_gateway")) * HOURS_PER_MONTH
    assert found["NAT gateways' addresses"] == len(stack.all("aws_eip")) * HOURS_PER_MONTH
    interfaces = sum(
        len(endpoint["subnet_ids"])
        for endpoint in stack.all("aws_vpc_endpoint").values()
        if endpoint["vpc_endpoint_type"] == "Interface"
    )
    assert found["Secrets Manager's endpoint"] == interfaces * HOURS_PER_MONTH
    nodes = stack.only("aws_elasticache_replication_group")["num_cache_clusters"]
    assert found["cache nodes"] == nodes * HOURS_PER_MONTH
