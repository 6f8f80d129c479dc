"""A shop in a network of its own: the routes there, and what its addresses may connect to."""

from dataclasses import replace
from pathlib import Path

from tests.infrastructure.test_network import CONNECTIONS, admitted, connections, routed
from tests.support.environments import DEV
from tests.support.networks import PEERED
from tests.support.synthesized import Stack, synthesize_environment

SHOPS = '${toset(["10.80.0.0/16", "100.64.0.0/20"])}'
OUR_OWN = '${toset(["10.40.0.0/16"])}'


def test_every_private_subnet_has_a_route_to_each_of_the_shop_s_ranges(peered_dev: Stack) -> None:
    routes = peered_dev.all("aws_route").values()
    assert [route["route_table_id"] for route in routes] == routed("route_table_id", 2)
    for route in routes:
        assert (route["for_each"], route["destination_cidr_block"]) == (SHOPS, "${each.value}")
        assert route["vpc_peering_connection_id"] == "pcx-0a1b2c3d4e5f60718"
        assert "transit_gateway_id" not in route


def test_a_transit_gateway_is_another_target(tmp_path: Path) -> None:
    shop_network = PEERED.shop_network
    assert shop_network is not None
    through = replace(shop_network, connection_id="tgw-0a1b2c3d4e5f60718")
    environment = replace(DEV, network=replace(PEERED, shop_network=through))
    routes = synthesize_environment(environment, tmp_path).all("aws_route").values()
    assert {route["transit_gateway_id"] for route in routes} == {"tgw-0a1b2c3d4e5f60718"}
    assert not any("vpc_peering_connection_id" in route for route in routes)


def test_the_shop_s_addresses_reach_the_database_and_the_cache_alone(
    peered_dev: Stack, guest_prod: Stack
) -> None:
    assert connections(peered_dev) == CONNECTIONS
    assert admitted(peered_dev) == {
        (OUR_OWN, "Endpoints_Group", 443),
        (SHOPS, "Database_Group", 5432),
        (SHOPS, "Cache_Group", 6379),
    }
    assert admitted(guest_prod) == {
        ('${toset(["10.80.0.0/16"])}', "Database_Group", 5432),
        ('${toset(["10.80.0.0/16"])}', "Cache_Group", 6379),
    }
