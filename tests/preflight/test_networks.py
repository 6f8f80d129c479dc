"""What `make preflight` says of a VPC that exists, and of the way to a shop's network, against moto."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from main import chosen_deployment
from preflight.account import Account, Clients
from preflight.capacity import database_class
from preflight.checks import run_checks
from preflight.existing_vpc import existing_vpc
from preflight.shop_network import shop_network
from stacks.config.network_settings import ExistingVpc, NetworkSettings, ShopNetwork
from tests.preflight.test_preflight import ACCOUNT, ENOUGH, PACKAGES, clients_that_answer, failed
from tests.support.environments import DEV

S3 = "com.amazonaws.us-east-1.s3"
SECRETS = "com.amazonaws.us-east-1.secretsmanager"
Change = Callable[[Any, ExistingVpc], object]


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of an account that has everything else that dev-stack needs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with mock_aws():
        yield clients_that_answer(ENOUGH)


@pytest.fixture
def vpc(clients: Clients) -> ExistingVpc:
    """Return the settings of a VPC without endpoints, which moto has."""
    ec2 = clients("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True})
    table_id = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    subnet_ids = []
    for number, zone_id in enumerate(("use1-az1", "use1-az2")):
        subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.60.{number}.0/24", AvailabilityZoneId=zone_id)
        subnet_ids.append(subnet["Subnet"]["SubnetId"])
        ec2.associate_route_table(RouteTableId=table_id, SubnetId=subnet_ids[-1])
    return ExistingVpc(
        vpc_id=vpc_id,
        private_subnet_ids=tuple(subnet_ids),
        private_route_table_ids=(table_id,),
        has_s3_endpoint=False,
        secrets_endpoint_group_id=None,
    )


def found(clients: Clients, vpc: ExistingVpc, *, deployed: bool = False) -> dict[str, str]:
    """Return what is in the way of a deploy into the VPC."""
    account = Account(clients=clients, id=ACCOUNT, is_deployed=deployed)
    network = NetworkSettings(vpc=vpc, shop_network=None)
    return failed(list(existing_vpc(account, replace(DEV, network=network))))


def gateway(ec2: Any, vpc: ExistingVpc) -> None:
    ec2.create_vpc_endpoint(
        VpcId=vpc.vpc_id,
        ServiceName=S3,
        VpcEndpointType="Gateway",
        RouteTableIds=list(vpc.private_route_table_ids),
    )


def interface(ec2: Any, vpc: ExistingVpc, *, private_dns: bool = True) -> str:
    """Create an endpoint of Secrets Manager; returns its security group."""
    group = ec2.create_security_group(GroupName="endpoint", Description="endpoint", VpcId=vpc.vpc_id)
    group_id: str = group["GroupId"]
    ec2.create_vpc_endpoint(
        VpcId=vpc.vpc_id,
        ServiceName=SECRETS,
        VpcEndpointType="Interface",
        SubnetIds=list(vpc.private_subnet_ids),
        SecurityGroupIds=[group_id],
        PrivateDnsEnabled=private_dns,
    )
    return group_id


def test_nothing_is_in_the_way_in_a_vpc_that_has_what_is_needed(clients: Clients, vpc: ExistingVpc) -> None:
    """Also in a region without room for one more VPC."""
    for number in range(3):
        clients("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    environment = replace(DEV, network=NetworkSettings(vpc=vpc, shop_network=None))
    account = Account(clients=clients, id=ACCOUNT, is_deployed=False)
    all_found = run_checks(account, environment, chosen_deployment({}, PACKAGES), names={}, refusals=[])
    assert failed(all_found) == {}
    by_check = {finding.check: finding for finding in all_found}
    assert "VPCs in the region" not in by_check
    assert by_check["availability zones"].found == "use1-az1 available, use1-az2 available"
    assert by_check["db.t4g.micro"].needed == "PostgreSQL 18 in use1-az1, use1-az2"
    assert by_check["gateway endpoint of S3"].needed == "the stack's own"


def no_hostnames(ec2: Any, vpc: ExistingVpc) -> None:
    ec2.modify_vpc_attribute(VpcId=vpc.vpc_id, EnableDnsHostnames={"Value": False})


def no_support(ec2: Any, vpc: ExistingVpc) -> None:
    ec2.modify_vpc_attribute(VpcId=vpc.vpc_id, EnableDnsSupport={"Value": False})


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (no_hostnames, "{vpc_id}: enableDnsHostnames"),
        (no_support, "{vpc_id}: enableDnsSupport"),
        (gateway, "gateway endpoint of S3"),
        (interface, "endpoint of Secrets Manager"),
    ],
)
def test_what_is_wrong_with_the_vpc(clients: Clients, vpc: ExistingVpc, change: Change, check: str) -> None:
    change(clients("ec2"), vpc)
    assert list(found(clients, vpc)) == [check.format(vpc_id=vpc.vpc_id)]


def test_an_endpoint_without_private_dns_names_is_in_nobodys_way(clients: Clients, vpc: ExistingVpc) -> None:
    group_id = interface(clients("ec2"), vpc, private_dns=False)
    assert found(clients, vpc) == {}
    assert found(clients, replace(vpc, secrets_endpoint_group_id=group_id)) == {
        "endpoint of Secrets Manager": "none with private DNS names"
    }


def test_the_endpoints_of_a_deployed_stack_are_its_own(clients: Clients, vpc: ExistingVpc) -> None:
    gateway(clients("ec2"), vpc)
    interface(clients("ec2"), vpc)
    assert found(clients, vpc, deployed=True) == {}


def test_endpoints_that_the_settings_name_must_be_there(clients: Clients, vpc: ExistingVpc) -> None:
    named = replace(vpc, has_s3_endpoint=True, secrets_endpoint_group_id="sg-0a1b2c3d")
    assert found(clients, named) == {
        "gateway endpoint of S3": "in none of the route tables",
        "endpoint of Secrets Manager": "none with private DNS names",
    }
    gateway(clients("ec2"), vpc)
    group_id = interface(clients("ec2"), vpc)
    assert found(clients, named) == {"endpoint of Secrets Manager": f"with {group_id}"}
    assert found(clients, replace(named, secrets_endpoint_group_id=group_id)) == {}


def test_subnets_that_are_not_there_or_in_the_same_zone(clients: Clients, vpc: ExistingVpc) -> None:
    one, _ = vpc.private_subnet_ids
    twin = clients("ec2").create_subnet(
        VpcId=vpc.vpc_id, CidrBlock="10.60.7.0/24", AvailabilityZoneId="use1-az1"
    )["Subnet"]["SubnetId"]
    clients("ec2").associate_route_table(RouteTableId=vpc.private_route_table_ids[0], SubnetId=twin)
    assert found(clients, replace(vpc, private_subnet_ids=(one, twin))) == {
        "private subnets": f"{one} use1-az1, {twin} use1-az1"
    }
    missing = "subnet-0a1b2c3d"
    assert found(clients, replace(vpc, private_subnet_ids=(one, missing)))["private subnets"] == (
        f"{one} use1-az1, {missing} not there"
    )


def test_without_its_subnets_no_zone_is_said_to_be_right(clients: Clients, vpc: ExistingVpc) -> None:
    missing = replace(vpc, private_subnet_ids=("subnet-0a1b2c3d", "subnet-0a1b2c3e"))
    environment = replace(DEV, network=NetworkSettings(vpc=missing, shop_network=None))
    account = Account(clients=clients, id=ACCOUNT, is_deployed=False)
    all_found = run_checks(account, environment, chosen_deployment({}, PACKAGES), names={}, refusals=[])
    assert "availability zones" not in {finding.check for finding in all_found}
    assert "private subnets" in failed(all_found)
    (of_class,) = [finding for finding in all_found if finding.check == "db.t4g.micro"]
    assert of_class.needed == "PostgreSQL 18 in the zones of the subnets"
    nowhere = clients_that_answer(
        {**ENOUGH, "rds.DescribeOrderableDBInstanceOptions": {"OrderableDBInstanceOptions": []}}
    )
    assert failed(list(database_class(replace(account, clients=nowhere), environment))) == {
        "db.t4g.micro": "offered in no zone"
    }


def test_route_tables_that_are_not_the_subnets(clients: Clients, vpc: ExistingVpc) -> None:
    (table_id,) = vpc.private_route_table_ids
    other = clients("ec2").create_route_table(VpcId=vpc.vpc_id)["RouteTable"]["RouteTableId"]
    wrong = replace(vpc, private_route_table_ids=(other,))
    assert found(clients, wrong) == {"route tables of the private subnets": table_id}


def test_a_vpc_that_is_not_there(clients: Clients, vpc: ExistingVpc) -> None:
    missing = replace(vpc, vpc_id="vpc-0a1b2c3d")
    assert found(clients, missing)["vpc-0a1b2c3d"] == "not there"


def way_to_the_shop(clients: Clients, id_: str, *, deployed: bool) -> dict[str, str]:
    network = replace(DEV.network, shop_network=ShopNetwork(cidrs=("10.80.0.0/16",), connection_id=id_))
    account = Account(clients=clients, id=ACCOUNT, is_deployed=deployed)
    return failed(list(shop_network(account, replace(DEV, network=network))))


def test_a_peering_must_be_accepted_and_the_vpc_be_there_first(clients: Clients) -> None:
    ec2 = clients("ec2")
    ours, shops = (ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in (40, 80))
    peering = ec2.create_vpc_peering_connection(VpcId=ours, PeerVpcId=shops)["VpcPeeringConnection"]
    id_ = peering["VpcPeeringConnectionId"]
    assert way_to_the_shop(clients, id_, deployed=False) == {id_: "before the first deploy"}
    assert way_to_the_shop(clients, id_, deployed=True) == {id_: "pending-acceptance"}
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id_)
    assert way_to_the_shop(clients, id_, deployed=True) == {}
    assert way_to_the_shop(clients, "pcx-0a1b2c3d", deployed=True) == {"pcx-0a1b2c3d": "not there"}


def test_a_transit_gateway_must_be_available(clients: Clients) -> None:
    id_ = clients("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    assert way_to_the_shop(clients, id_, deployed=True) == {}
    assert way_to_the_shop(clients, "tgw-0a1b2c3d", deployed=True) == {"tgw-0a1b2c3d": "not there"}
