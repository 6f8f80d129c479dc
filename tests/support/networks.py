"""Networks of the kinds that no permanent environment has."""

from dataclasses import replace
from typing import Any

from stacks.config.environments import Environment
from stacks.config.network_settings import ExistingVpc, NetworkSettings, NewVpc, ShopNetwork
from tests.support.environments import DEV

VPC = ExistingVpc(
    vpc_id="vpc-0a1b2c3d4e5f60718",
    private_subnet_ids=("subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"),
    private_route_table_ids=("rtb-0a1b2c3d4e5f60711", "rtb-0a1b2c3d4e5f60712"),
    has_s3_endpoint=False,
    secrets_endpoint_group_id=None,
)
EXISTING = NetworkSettings(vpc=VPC, shop_network=None)
"""An existing VPC without endpoints."""

WITH_ENDPOINTS = NetworkSettings(
    vpc=replace(VPC, has_s3_endpoint=True, secrets_endpoint_group_id="sg-0a1b2c3d4e5f60718"),
    shop_network=ShopNetwork(cidrs=("10.80.0.0/16",), connection_id=None),
)
"""An existing VPC with both endpoints, whose owner has routes to a shop's network."""

PEERED = replace(
    DEV.network,
    shop_network=ShopNetwork(cidrs=("10.80.0.0/16", "100.64.0.0/20"), connection_id="pcx-0a1b2c3d4e5f60718"),
)
"""dev's network, with a shop in a network of its own."""


def in_new_vpc(environment: Environment, **settings: Any) -> NetworkSettings:
    """Return an environment's network with other settings of its new VPC."""
    vpc = environment.network.vpc
    assert isinstance(vpc, NewVpc)
    return replace(environment.network, vpc=replace(vpc, **settings))
