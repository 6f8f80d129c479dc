"""Whether the way to a shop's network is there."""

from collections.abc import Iterator

from preflight.account import Account
from preflight.findings import Finding
from stacks.config.environments import Environment


def shop_network(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check the peering connection or the transit gateway; nothing where there is none."""
    settings = environment.network.shop_network
    if settings is None or settings.connection_id is None:
        return
    id_ = settings.connection_id
    if not account.is_deployed:
        yield Finding(
            check=id_,
            found="before the first deploy",
            needed="a VPC that it leads from",
            remedy="deploy with network.shop_network=None first (docs/deploying.md)",
        )
        return
    if id_.startswith("pcx-"):
        needed = "active"
        peerings = account.every("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections")
        states = {each["VpcPeeringConnectionId"]: each["Status"]["Code"] for each in peerings}
    else:
        needed = "available"
        gateways = account.every("ec2", "describe_transit_gateways", "TransitGateways")
        states = {each["TransitGatewayId"]: each["State"] for each in gateways}
    state = states.get(id_, "not there")
    yield Finding(
        check=id_,
        found=state,
        needed=needed,
        remedy="" if state == needed else "accept it, or correct network.shop_network.connection_id",
    )
