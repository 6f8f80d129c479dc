"""The networks that the settings accept and refuse, with the field, the value and what is accepted."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from stacks.config.network_settings import ExistingVpc, NetworkSettings, NewVpc, ShopNetwork
from stacks.config.regions import ZONE_IDS
from stacks.config.settings import SettingsError
from tests.support.networks import EXISTING, PEERED, VPC, WITH_ENDPOINTS

NEW = NewVpc(cidr="10.40.0.0/16", zone_ids=("use1-az1", "use1-az2"), nat_gateways=0)
SHOP = ShopNetwork(cidrs=("10.80.0.0/16",), connection_id="tgw-0a1b2c3d4e5f60718")
SUBNET = "subnet-0a1b2c3d4e5f607"


def new(**settings: Any) -> Callable[[], object]:
    return lambda: replace(NEW, **settings)


def existing(**settings: Any) -> Callable[[], object]:
    return lambda: replace(VPC, **settings)


def shop(**settings: Any) -> Callable[[], object]:
    return lambda: replace(SHOP, **settings)


def network(vpc: NewVpc | ExistingVpc, shop_network: ShopNetwork | None) -> Callable[[], object]:
    return lambda: NetworkSettings(vpc=vpc, shop_network=shop_network)


@pytest.mark.parametrize(
    "make",
    [
        new(cidr="10.0.0.0/16"),
        new(cidr="10.0.0.0/20"),
        new(zone_ids=ZONE_IDS["us-east-1"], nat_gateways=5),
        new(nat_gateways=2),
        # Ids from before 2016.
        existing(vpc_id="vpc-0a1b2c3d"),
        existing(private_route_table_ids=("rtb-0a1b2c3d",)),
        existing(private_subnet_ids=tuple(f"{SUBNET}{number}0" for number in range(6))),
        existing(has_s3_endpoint=True, secrets_endpoint_group_id="sg-0a1b2c3d"),
        shop(connection_id="pcx-0a1b2c3d"),
        shop(connection_id=None),
        shop(cidrs=("10.0.0.0/16", "172.31.0.0/16", "192.168.7.0/28", "100.64.0.0/17")),
        shop(cidrs=tuple(f"10.{number}.0.0/16" for number in range(20))),
        # Beside each other.
        network(NEW, replace(SHOP, cidrs=("10.39.0.0/16", "10.41.0.0/16"))),
        network(VPC, replace(SHOP, connection_id=None)),
    ],
)
def test_accepted_networks(make: Callable[[], object]) -> None:
    assert make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (new(cidr="10.0.0.0/15"), "network.vpc.cidr's prefix length is 15; accepted: 16 to 20"),
        (new(cidr="10.0.0.0/21"), "network.vpc.cidr's prefix length is 21; accepted: 16 to 20"),
        # An address in the network, not of the network.
        (new(cidr="10.0.0.1/16"), "network.vpc.cidr has '10.0.0.1/16'; accepted: such as '10.40.0.0/16'"),
        (new(cidr="fd00::/16"), "network.vpc.cidr has 'fd00::/16'; accepted: such as '10.40.0.0/16'"),
        *(
            (
                new(cidr=public),
                f"network.vpc.cidr has {public}; accepted: parts of 10.0.0.0/8, 172.16.0.0/12, ",
            )
            for public in ("8.8.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "224.0.0.0/16", "0.0.0.0/16")
        ),
        (
            new(cidr="172.17.16.0/20"),
            "network.vpc.cidr is '172.17.16.0/20'; accepted: ranges outside ",
        ),
        (new(cidr="10.40.0.0/255.255.0.0"), "network.vpc.cidr has '10.40.0.0/255.255.0.0'; accepted: such"),
        (new(cidr=""), "network.vpc.cidr has ''; accepted: such as '10.40.0.0/16'"),
        (new(zone_ids=("use1-az1",)), "the number of network.vpc.zone_ids is 1; accepted: 2 to 6"),
        (
            new(zone_ids=("use1-az1", "use1-az1")),
            "network.vpc.zone_ids is ('use1-az1', 'use1-az1'); accepted: each once",
        ),
        (new(nat_gateways=-1), "network.vpc.nat_gateways is -1; accepted: 0 to 2"),
        (new(nat_gateways=3), "network.vpc.nat_gateways is 3; accepted: 0 to 2"),
        (
            existing(vpc_id="subnet-0a1b2c3d"),
            "network.vpc.vpc_id has 'subnet-0a1b2c3d'; accepted: such as 'vpc-0a1b2c3d4e5f60718'",
        ),
        *(
            (existing(vpc_id=wrong), f"network.vpc.vpc_id has {wrong!r}; accepted: such as 'vpc-")
            for wrong in (
                "",
                "vpc-",
                "vpc-0A1B2C3D",
                "vpc-0a1b2c3",
                "vpc-0a1b2c3d4e5f607189",
                "vpc-0a1b2c3d\n",
            )
        ),
        (
            existing(private_subnet_ids=("subnet-0a1b2c3d", "rtb-0a1b2c3d")),
            "network.vpc.private_subnet_ids has 'rtb-0a1b2c3d'; accepted: such as 'subnet-",
        ),
        (
            existing(private_subnet_ids=("subnet-0a1b2c3d",)),
            "the number of network.vpc.private_subnet_ids is 1; accepted: 2 to 6",
        ),
        (
            existing(private_subnet_ids=tuple(f"{SUBNET}{number}0" for number in range(7))),
            "the number of network.vpc.private_subnet_ids is 7; accepted: 2 to 6",
        ),
        (
            existing(private_subnet_ids=("subnet-0a1b2c3d", "subnet-0a1b2c3d")),
            "network.vpc.private_subnet_ids is ('subnet-0a1b2c3d', 'subnet-0a1b2c3d'); accepted: each once",
        ),
        (
            existing(private_route_table_ids=()),
            "the number of network.vpc.private_route_table_ids is 0; accepted: 1 to 2",
        ),
        (
            existing(private_route_table_ids=("rtb-0a1b2c31", "rtb-0a1b2c32", "rtb-0a1b2c33")),
            "the number of network.vpc.private_route_table_ids is 3; accepted: 1 to 2",
        ),
        (
            existing(private_route_table_ids=("rtb-0a1b2c3d", "rtb-0a1b2c3d")),
            "network.vpc.private_route_table_ids is ('rtb-0a1b2c3d', 'rtb-0a1b2c3d'); accepted: each once",
        ),
        (
            existing(secrets_endpoint_group_id="vpce-0a1b2c3d"),
            "network.vpc.secrets_endpoint_group_id has 'vpce-0a1b2c3d'; accepted: such as 'sg-",
        ),
        (shop(cidrs=()), "the number of network.shop_network.cidrs is 0; accepted: 1 to 20"),
        (
            shop(cidrs=tuple(f"10.{number}.0.0/16" for number in range(21))),
            "the number of network.shop_network.cidrs is 21; accepted: 1 to 20",
        ),
        (
            shop(cidrs=("10.80.0.1/16",)),
            "network.shop_network.cidrs has '10.80.0.1/16'; accepted: such as '10.40.0.0/16'",
        ),
        (
            shop(cidrs=("10.0.0.0/8",)),
            "the prefix length of 10.0.0.0/8 in network.shop_network.cidrs is 8; accepted: 16 to 28",
        ),
        (
            shop(cidrs=("10.80.0.0/29",)),
            "the prefix length of 10.80.0.0/29 in network.shop_network.cidrs is 29; accepted: 16 to 28",
        ),
        *(
            (
                shop(cidrs=(public,)),
                f"network.shop_network.cidrs has {public}; accepted: parts of 10.0.0.0/8, 172.16.0.0/12, ",
            )
            for public in ("8.8.0.0/16", "172.32.0.0/16", "192.169.0.0/16", "100.128.0.0/16")
        ),
        (
            shop(cidrs=("10.80.0.0/16", "10.80.128.0/17")),
            "network.shop_network.cidrs has 10.80.0.0/16 and 10.80.128.0/17; accepted: ranges that do not",
        ),
        (
            shop(connection_id="vpc-0a1b2c3d"),
            "network.shop_network.connection_id has 'vpc-0a1b2c3d'; accepted: such as "
            "'pcx-0a1b2c3d4e5f60718' or 'tgw-0a1b2c3d4e5f60718'",
        ),
        (
            network(NEW, replace(SHOP, connection_id=None)),
            "network.shop_network.connection_id is None; accepted in a new VPC: such as 'pcx-",
        ),
        (
            network(VPC, SHOP),
            "network.shop_network.connection_id is 'tgw-0a1b2c3d4e5f60718'; accepted in an existing ",
        ),
        (
            network(NEW, replace(SHOP, cidrs=("10.80.0.0/16", "10.40.128.0/17"))),
            "network.shop_network.cidrs has 10.40.128.0/17; accepted: ranges that do not overlap with "
            "10.40.0.0/16 (network.vpc.cidr)",
        ),
    ],
)
def test_a_wrong_network_is_refused_with_field_value_and_range(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}") as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", [NewVpc, ExistingVpc, ShopNetwork])
def test_no_setting_of_a_network_has_a_default(kind: type) -> None:
    for field in fields(kind):
        assert field.default is field.default_factory is MISSING
        assert field.kw_only


def test_what_a_network_pays_by_the_hour() -> None:
    found = [
        (each.vpc.endpoint_interfaces, each.vpc.nat_gateways) for each in (PEERED, EXISTING, WITH_ENDPOINTS)
    ]
    assert found == [(2, 0), (2, 0), (0, 0)]
