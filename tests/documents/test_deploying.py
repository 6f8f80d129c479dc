"""docs/deploying.md: the resource types, costs and quotas are those of the stacks."""

from itertools import chain

from costs.driver import total
from costs.fixed import fixed_drivers
from costs.prices import read_prices
from costs.report import summary
from stacks.bootstrap.deploy_rights import KEYS_OF_FUNCTIONS, OF_FUNCTIONS
from stacks.config.environments import Environment
from tests.support.documents import document, names_in
from tests.support.environments import ENVIRONMENTS
from tests.support.synthesized import Stack

DEPLOYING = document("docs/deploying.md")
# Where `alarms.emails` names somebody, with NAT gateways, in an existing VPC, with a shop's network.
BY_CONFIGURATION = {
    "aws_eip",
    "aws_internet_gateway",
    "aws_nat_gateway",
    "aws_prefix_list",
    "aws_route",
    "aws_sns_topic_subscription",
}


def test_the_rights_name_each_kind_of_resource(stacks: dict[str, Stack]) -> None:
    kinds = {
        kind
        for stack in stacks.values()
        for section in ("resource", "data", "ephemeral")
        for kind in stack.document.get(section, {})
    }
    rows = DEPLOYING.table("service", "IAM prefix")
    named = {name for row in rows for name in names_in(row[2]) if name.startswith(("aws_", "terraform_"))}
    assert named == kinds | BY_CONFIGURATION


def test_a_boundary_of_ones_own_allows_what_ours_does() -> None:
    named = [name for row in DEPLOYING.table("for", "actions") for name in names_in(row[1])]
    assert sorted(named) == sorted([*chain.from_iterable(OF_FUNCTIONS.values()), *KEYS_OF_FUNCTIONS])


def paid_at_rest(environment: Environment) -> list[str]:
    """Return an environment's column of the costs."""
    cache, database = environment.cache, environment.database
    return [
        str(environment.stream.capacity.planned_shards),
        database.instance_class + (", in two zones" if database.multi_az else ""),
        f"{1 + cache.replicas} × {cache.node_type}",
        str(environment.network.vpc.endpoint_interfaces),
        str(environment.network.vpc.nat_gateways),
        f"${total(fixed_drivers(environment, read_prices())):,.0f}",
    ]


def test_the_costs_are_the_environments() -> None:
    names = [environment.name for environment in ENVIRONMENTS]
    rows = DEPLOYING.table("part", *names)
    columns = [[row[position] for row in rows] for position in range(1, len(names) + 1)]
    assert columns == [paid_at_rest(environment) for environment in ENVIRONMENTS]


def test_the_line_of_a_synthesis_is_prods() -> None:
    (prod,) = [environment for environment in ENVIRONMENTS if environment.name == "prod"]
    assert f"\n`{summary(prod, read_prices())}`\n" in DEPLOYING.text


def test_the_quota_of_concurrency_is_what_environments_reserve() -> None:
    (row,) = [row for row in DEPLOYING.table("quota", "needed") if row[0].startswith("Lambda")]
    reserved = {one.name: one.function.reserved_concurrency or 0 for one in ENVIRONMENTS}
    for name, number in reserved.items():
        assert (f"{name} reserves {number}" in row[1]) == (number > 0)
    assert f"{100 + sum(reserved.values())} for all environments" in row[1]
