import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pytest

from tests.support.environments import PERMANENT
from tests.support.synthesized import Stack

ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
NOT_THE_FUNCTIONS = {
    "test": "ArnNotEquals",
    "variable": "aws:PrincipalArn",
    "values": [f"${{aws_iam_role.{part}_Private_Role.arn}}" for part in ("Processor", "Migrations")],
}
ZONE_IDS = ("use1-az1", "use1-az2", "use1-az4")
ZONE_COUNTS = {"dev": 2, "staging": 2, "prod": 3}

# Source → target and port: the only connections that are allowed.
CONNECTIONS = {
    ("Processor_Private_Group", "Endpoints_S3", 443),
    ("Processor_Private_Group", "Endpoints_Group", 443),
    ("Processor_Private_Group", "Database_Group", 5432),
    ("Processor_Private_Group", "Cache_Group", 6379),
    ("Migrations_Private_Group", "Endpoints_Group", 443),
    ("Migrations_Private_Group", "Database_Group", 5432),
    ("Shop_Group", "Endpoints_Group", 443),
    ("Shop_Group", "Database_Group", 5432),
    ("Shop_Group", "Cache_Group", 6379),
}

CIDRS = {"dev": "10.40.0.0/16", "staging": "10.41.0.0/16", "prod": "10.42.0.0/16"}


def routed(attribute: str, zones: int) -> list[str]:
    """Return the private subnets or their route tables, from the associations of the two."""
    return [
        f"${{aws_route_table_association.Network_Private{zone}RoutesOf.{attribute}}}"
        for zone in range(1, zones + 1)
    ]


@pytest.mark.parametrize("name", ZONE_COUNTS)
def test_one_private_subnet_and_route_table_per_zone(readable: dict[str, Stack], name: str) -> None:
    stack = readable[name]
    subnets = stack.all("aws_subnet")
    assert list(subnets) == [f"Network_Private{zone + 1}" for zone in range(ZONE_COUNTS[name])]
    for zone, subnet in enumerate(subnets.values()):
        # By id: which zones are available, and what an account calls them, changes nothing.
        assert subnet["availability_zone_id"] == ZONE_IDS[zone]
        assert "availability_zone" not in subnet
        assert subnet["cidr_block"] == f'${{cidrsubnet("{CIDRS[name]}", 4, {zone})}}'
    assert associations(stack) == {
        (f"${{aws_subnet.{id_}.id}}", f"${{aws_route_table.{id_}Routes.id}}") for id_ in subnets
    }


def test_nothing_leads_to_the_internet(stack: Stack) -> None:
    for kind in (
        "aws_internet_gateway",
        "aws_nat_gateway",
        "aws_eip",
        "aws_route",
        "aws_egress_only_internet_gateway",
    ):
        assert not stack.all(kind)
    for table in stack.all("aws_route_table").values():
        assert "route" not in table
    assert not any(re.search(r"\b0\.0\.0\.0/0|::/0", text) for text in stack.strings())


def test_no_two_networks_overlap_so_that_they_can_be_peered(readable: dict[str, Stack]) -> None:
    networks = [ip_network(readable[name].only("aws_vpc")["cidr_block"]) for name in PERMANENT]
    assert networks == [ip_network(f"10.{number}.0.0/16") for number in (40, 41, 42)]


def test_subnets_are_parts_of_the_network(stack: Stack) -> None:
    vpc = stack.only("aws_vpc")["cidr_block"]
    for subnet in stack.all("aws_subnet").values():
        assert subnet["cidr_block"].startswith(f'${{cidrsubnet("{vpc}", 4, '), subnet["cidr_block"]


def test_names_of_services_resolve_to_the_endpoints(stack: Stack) -> None:
    vpc = stack.only("aws_vpc")
    assert (vpc["enable_dns_support"], vpc["enable_dns_hostnames"]) == (True, True)
    assert stack.named("aws_vpc_endpoint", "Endpoints_Secrets")["private_dns_enabled"] is True


def test_no_subnet_gives_public_addresses(stack: Stack, open_dev: Stack) -> None:
    for each in (stack, open_dev):
        assert {subnet["map_public_ip_on_launch"] for subnet in each.all("aws_subnet").values()} == {False}


def test_subnets_and_groups_wait_for_lambdas_network_interfaces(stack: Stack) -> None:
    """Lambda releases them up to 20 minutes after a function's deletion; the provider's timeout is 15."""
    for kind in ("aws_subnet", "aws_security_group"):
        for logical_id, body in stack.all(kind).items():
            assert body["timeouts"] == {"delete": "45m"}, logical_id


@pytest.mark.parametrize("name", ZONE_COUNTS)
def test_endpoints_are_in_every_private_subnet(readable: dict[str, Stack], name: str) -> None:
    endpoints = readable[name].all("aws_vpc_endpoint")
    assert set(endpoints) == {"Endpoints_S3", "Endpoints_Secrets"}
    s3, secrets = endpoints["Endpoints_S3"], endpoints["Endpoints_Secrets"]
    assert (s3["service_name"], s3["vpc_endpoint_type"]) == ("com.amazonaws.us-east-1.s3", "Gateway")
    assert s3["route_table_ids"] == routed("route_table_id", ZONE_COUNTS[name])
    assert secrets["service_name"] == "com.amazonaws.us-east-1.secretsmanager"
    assert secrets["vpc_endpoint_type"] == "Interface"
    assert secrets["subnet_ids"] == routed("subnet_id", ZONE_COUNTS[name])
    assert secrets["security_group_ids"] == ["${aws_security_group.Endpoints_Group.id}"]


def of_the_account(sid: str, action: str, resources: list[str], *, bound: bool = True) -> dict[str, Any]:
    """Return a statement for principals of the account; not `bound`: but not for the functions' roles."""
    own = {"test": "StringEquals", "variable": "aws:PrincipalAccount", "values": [ACCOUNT]}
    return {
        "sid": sid,
        "actions": [action],
        "resources": resources,
        "principals": [{"type": "*", "identifiers": ["*"]}],
        "condition": [own] if bound else [own, NOT_THE_FUNCTIONS],
    }


ENDPOINTS = {
    "S3": [
        of_the_account(
            "Write",
            "s3:PutObject",
            [
                "${aws_s3_bucket.Archive_Private_Bucket.arn}/inventory/*",
                "${aws_s3_bucket.Quarantine_Private_Bucket.arn}/quarantine/*",
                "${aws_s3_bucket.Quarantine_Private_Bucket.arn}/survivors/*",
            ],
        ),
        of_the_account("List", "s3:ListBucket", ["${aws_s3_bucket.Quarantine_Private_Bucket.arn}"]),
        of_the_account("Others", "s3:*", ["*"], bound=False),
    ],
    "Secrets": [
        of_the_account(
            "Read",
            "secretsmanager:GetSecretValue",
            [
                "${aws_db_instance.Database_Instance.master_user_secret[0].secret_arn}",
                "${aws_secretsmanager_secret.Writer_Secret.arn}",
                "${aws_secretsmanager_secret.Reader_Secret.arn}",
            ],
        ),
        of_the_account("Others", "secretsmanager:*", ["*"], bound=False),
    ],
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoints_bind_the_functions_and_let_others_of_the_account_through(
    stack: Stack, guest_dev: Stack, name: str
) -> None:
    for each in (stack, guest_dev):
        policy = each.named("aws_vpc_endpoint", f"Endpoints_{name}")["policy"]
        assert policy == f"${{data.aws_iam_policy_document.Endpoints_{name}Access.json}}"
        statements = each.named("aws_iam_policy_document", f"Endpoints_{name}Access")["statement"]
        assert statements[: len(ENDPOINTS[name])] == ENDPOINTS[name]
        reading = statements[len(ENDPOINTS[name]) :]
        assert [statement["sid"] for statement in reading] == (["ReadFromAws"] if name == "S3" else [])


def test_what_anybody_may_do_is_read_from_aws_s_own_buckets(stack: Stack, guest_dev: Stack) -> None:
    """By their whole names: anybody could create a bucket whose name begins like one of AWS's."""
    for each in (stack, guest_dev):
        (*_, found) = each.named("aws_iam_policy_document", "Endpoints_S3Access")["statement"]
        reading = dict(found)
        resources = reading.pop("resources")
        assert reading == {
            "sid": "ReadFromAws",
            "actions": ["s3:GetObject"],
            "principals": [{"type": "*", "identifiers": ["*"]}],
            "condition": [NOT_THE_FUNCTIONS],
        }
        assert len(resources) == 13
        for resource in resources:
            bucket = resource.removeprefix("arn:${data.aws_partition.Endpoints_Partition.partition}:s3:::")
            assert re.fullmatch(r"[a-z0-9-]+/\*", bucket), resource
            assert "us-east-1" in bucket or bucket == "amazoncloudwatch-agent/*"


def test_the_default_security_group_allows_nothing(stack: Stack) -> None:
    group = stack.only("aws_default_security_group")
    assert group["vpc_id"] == "${aws_vpc.Network_Vpc.id}"
    assert not {"ingress", "egress"} & set(group)


def test_exactly_these_connections_are_allowed(stack: Stack) -> None:
    cidr = stack.only("aws_vpc")["cidr_block"]
    assert connections(stack) == CONNECTIONS
    # Private DNS names lead the whole VPC to the endpoint.
    assert admitted(stack) == {(f'${{toset(["{cidr}"])}}', "Endpoints_Group", 443)}


def test_groups_have_no_inline_rules(stack: Stack) -> None:
    assert not stack.all("aws_security_group_rule")
    for logical_id, group in stack.all("aws_security_group").items():
        assert not {"ingress", "egress"} & set(group), logical_id


def test_one_nat_gateway_serves_every_zone(open_dev: Stack) -> None:
    assert set(open_dev.all("aws_nat_gateway")) == {"Network_Nat1"}
    assert routes(open_dev) == {
        ("Network_Public1RoutesOf", "aws_internet_gateway.Network_Internet"),
        ("Network_Private1RoutesOf", "aws_nat_gateway.Network_Nat1"),
        ("Network_Private2RoutesOf", "aws_nat_gateway.Network_Nat1"),
    }


def test_private_subnets_share_nat_gateways(irish_prod: Stack) -> None:
    assert set(irish_prod.all("aws_nat_gateway")) == {"Network_Nat1", "Network_Nat2"}
    assert routes(irish_prod) == {
        ("Network_Public1RoutesOf", "aws_internet_gateway.Network_Internet"),
        ("Network_Public2RoutesOf", "aws_internet_gateway.Network_Internet"),
        ("Network_Private1RoutesOf", "aws_nat_gateway.Network_Nat1"),
        ("Network_Private2RoutesOf", "aws_nat_gateway.Network_Nat2"),
        ("Network_Private3RoutesOf", "aws_nat_gateway.Network_Nat1"),
    }


def test_nat_gateways_are_in_public_subnets(irish_prod: Stack) -> None:
    gateways = irish_prod.all("aws_nat_gateway").values()
    assert [gateway["subnet_id"] for gateway in gateways] == [
        "${aws_route_table_association.Network_Public1RoutesOf.subnet_id}",
        "${aws_route_table_association.Network_Public2RoutesOf.subnet_id}",
    ]
    assert {
        ("${aws_subnet.Network_Public1.id}", "${aws_route_table.Network_Public1Routes.id}"),
        ("${aws_subnet.Network_Public2.id}", "${aws_route_table.Network_Public2Routes.id}"),
    } <= associations(irish_prod)


def test_no_two_subnets_overlap(irish_prod: Stack) -> None:
    blocks = [subnet["cidr_block"] for subnet in irish_prod.all("aws_subnet").values()]
    assert len(set(blocks)) == len(blocks) == 5
    assert all(re.fullmatch(r'\$\{cidrsubnet\("10\.42\.0\.0/16", 4, \d+\)\}', block) for block in blocks)


def test_our_resources_are_only_in_private_subnets(open_dev: Stack) -> None:
    ours = (
        "aws_db_subnet_group",
        "aws_elasticache_subnet_group",
        "aws_lambda_function",
        "aws_vpc_endpoint",
    )
    for kind in ours:
        for logical_id, body in open_dev.all(kind).items():
            assert "Public" not in str(body), logical_id


def associations(stack: Stack) -> set[tuple[str, str]]:
    """Return subnet → route table."""
    found = stack.all("aws_route_table_association").values()
    return {(association["subnet_id"], association["route_table_id"]) for association in found}


def routes(stack: Stack) -> set[tuple[str, str]]:
    """Return (route table, gateway) for every route out."""
    found = set()
    for route in stack.all("aws_route").values():
        assert route["destination_cidr_block"] == "0.0.0.0/0"
        gateway = route.get("gateway_id") or route["nat_gateway_id"]
        found.add((address(route["route_table_id"]).partition(".")[2], address(gateway)))
    return found


def connections(stack: Stack) -> set[tuple[str, str, int]]:
    """Return source → target and port between groups; the rules on both sides must be the same ones."""
    egress = stack.all("aws_vpc_security_group_egress_rule").values()
    ingress = stack.all("aws_vpc_security_group_ingress_rule").values()
    found = {(own(rule), other(rule), port(rule)) for rule in egress}
    # A gateway endpoint has no group that could allow anything.
    assert {(other(rule), own(rule), port(rule)) for rule in ingress if "for_each" not in rule} == {
        connection for connection in found if connection[1] not in ("Endpoints_S3", "Endpoints_S3Addresses")
    }
    return found


def admitted(stack: Stack) -> set[tuple[str, str, int]]:
    """Return address ranges → target and port."""
    found = set()
    for rule in stack.all("aws_vpc_security_group_ingress_rule").values():
        if "for_each" in rule:
            assert rule["cidr_ipv4"] == "${each.value}"
            assert not {"cidr_ipv6", "prefix_list_id", "referenced_security_group_id"} & set(rule)
            found.add((rule["for_each"], own(rule), port(rule)))
    return found


def own(rule: Mapping[str, Any]) -> str:
    """Return the group that has the rule; one of somebody else by its id."""
    return address(rule["security_group_id"]).removeprefix("aws_security_group.")


def other(rule: Mapping[str, Any]) -> str:
    """Return the group, or the endpoint with a prefix list, on the rule's other side."""
    (key,) = {"cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"} & set(rule)
    kind, _, logical_id = address(rule[key]).removeprefix("data.").partition(".")
    if key == "referenced_security_group_id" and kind.startswith("sg-"):
        return kind
    assert kind in {
        "prefix_list_id": ("aws_vpc_endpoint", "aws_prefix_list"),
        "referenced_security_group_id": ("aws_security_group",),
    }.get(key, ()), f"{key} is no part of this network"
    return logical_id


def port(rule: Mapping[str, Any]) -> int:
    assert rule["ip_protocol"] == "tcp"
    assert rule["from_port"] == rule["to_port"]
    return int(rule["from_port"])


def address(reference: str) -> str:
    """Return what a reference to an attribute refers to."""
    return re.sub(r"^\$\{(.+)\.\w+\}$", r"\1", reference)
