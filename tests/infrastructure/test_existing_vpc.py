"""A stack in a VPC of somebody else: what it creates there, what it uses, and what ends a plan."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from local.servers import Servers
from tests.infrastructure.test_network import CONNECTIONS, admitted, connections
from tests.infrastructure.test_order import dangling
from tests.support.networks import VPC
from tests.support.references import graph
from tests.support.synthesized import Stack
from tests.support.terraform_runs import configuration, terraform_run

GROUP = "sg-0a1b2c3d4e5f60718"
THE_VPCS = (
    "${toset([ for key, val in { for key, val in data.aws_vpc.Network_Existing_Vpc.cidr_block_associations: "
    "val.cidr_block => val }: val.cidr_block])}"
)


def test_nothing_of_the_network_is_created(guest_dev: Stack, guest_prod: Stack) -> None:
    for stack in (guest_dev, guest_prod):
        assert not set(stack.document["resource"]) & {
            "aws_default_security_group",
            "aws_eip",
            "aws_flow_log",
            "aws_internet_gateway",
            "aws_nat_gateway",
            "aws_route",
            "aws_route_table",
            "aws_route_table_association",
            "aws_subnet",
            "aws_vpc",
        }
        assert dangling(graph(stack)) == set()


def test_everything_is_in_the_private_subnets_of_the_vpc(guest_dev: Stack, guest_prod: Stack) -> None:
    subnet_ids = list(VPC.private_subnet_ids)
    for stack in (guest_dev, guest_prod):
        for function in stack.all("aws_lambda_function").values():
            assert function["vpc_config"]["subnet_ids"] == subnet_ids
        for kind in ("aws_db_subnet_group", "aws_elasticache_subnet_group"):
            assert stack.only(kind)["subnet_ids"] == subnet_ids
        assert {group["vpc_id"] for group in stack.all("aws_security_group").values()} == {VPC.vpc_id}
        outputs = {id_: output["value"] for id_, output in stack.document["output"].items()}
        assert outputs["VpcId"] == VPC.vpc_id
        assert outputs["PrivateSubnetIds"] == f"${{tolist({json.dumps(subnet_ids)})}}"
        assert outputs["PrivateRouteTableIds"] == f"${{tolist({json.dumps(VPC.private_route_table_ids)})}}"


def test_endpoints_are_created_where_the_vpc_has_none(guest_dev: Stack) -> None:
    s3 = guest_dev.named("aws_vpc_endpoint", "Endpoints_S3")
    assert s3["route_table_ids"] == list(VPC.private_route_table_ids)
    assert guest_dev.named("aws_vpc_endpoint", "Endpoints_Secrets")["private_dns_enabled"] is True
    assert connections(guest_dev) == CONNECTIONS
    # An existing VPC may have several ranges, EKS's for example.
    assert admitted(guest_dev) == {(THE_VPCS, "Endpoints_Group", 443)}


def test_endpoints_that_the_vpc_has_are_used(guest_prod: Stack) -> None:
    assert not guest_prod.all("aws_vpc_endpoint")
    assert guest_prod.only("aws_prefix_list")["name"] == "com.amazonaws.us-east-1.s3"
    theirs = {"Endpoints_S3": "Endpoints_S3Addresses", "Endpoints_Group": GROUP}
    assert connections(guest_prod) == {
        (source, theirs.get(target, target), number) for source, target, number in CONNECTIONS
    }


def test_a_function_waits_for_its_rules_in_a_group_of_somebody_else(guest_prod: Stack) -> None:
    for part in ("Processor", "Migrations"):
        function = guest_prod.named("aws_lambda_function", f"{part}_Private_Function")
        rule = f"aws_vpc_security_group_ingress_rule.{part}_Private_ToSecrets_Ingress"
        assert rule in function["depends_on"]


def test_each_setting_of_dns_has_its_own_refusal(guest_dev: Stack, guest_prod: Stack) -> None:
    for stack in (guest_dev, guest_prod):
        required = stack.only("aws_vpc")["lifecycle"]["postcondition"]
        assert [(each["condition"], each["error_message"].partition(" in ")[0]) for each in required] == [
            ("${self.enable_dns_support}", "DNS support is off"),
            ("${self.enable_dns_hostnames}", "DNS hostnames are off"),
        ]


@pytest.mark.timeout(300)
def test_a_vpc_that_lacks_something_ends_the_plan(guest_dev: Stack, servers: Servers, tmp_path: Path) -> None:
    url = servers.moto.endpoint_url
    ec2: Any = get_session().create_client(
        "ec2", region_name="us-east-1", endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s"
    )
    vpc_id, other_id = (ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"] for _ in range(2))

    def subnet(of: str, block: str, zone_id: str) -> str:
        made = ec2.create_subnet(VpcId=of, CidrBlock=block, AvailabilityZoneId=zone_id)
        return str(made["Subnet"]["SubnetId"])

    one, two = (subnet(vpc_id, f"10.60.{number}.0/24", f"use1-az{number}") for number in (1, 2))
    wrong = subnet(other_id, "10.60.1.0/24", "use1-az1")
    with terraform_run(tmp_path, endpoint_urls={"ec2": url}) as terraform:
        terraform.configure(part_of(guest_dev, vpc_id, one, wrong))
        ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsSupport={"Value": False})
        refused = " ".join(terraform.run("plan", expected=1).replace("│", "").split())
        assert f"DNS support is off in {vpc_id}: turn it on." in refused
        assert f"DNS hostnames are off in {vpc_id}: turn them on" in refused
        assert f"{wrong} (network.vpc.private_subnet_ids) is not in {vpc_id}." in refused
        assert f"{wrong} is in the zone of another of network.vpc.private_subnet_ids" in refused
        # A destroy goes on.
        assert "Error" not in terraform.run("plan", "-destroy")
        ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsSupport={"Value": True})
        ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True})
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")
        terraform.configure(part_of(guest_dev, vpc_id, one, two))
        rule = 'aws_vpc_security_group_ingress_rule.Endpoints_Vpc_Ingress["{}"]'
        assert terraform.changes() == {
            "aws_security_group.Endpoints_Group": ["create"],
            rule.format("10.60.0.0/16"): ["create"],
            rule.format("100.64.0.0/16"): ["create"],
        }


def part_of(stack: Stack, vpc_id: str, *subnet_ids: str) -> Any:
    """Return the stack's data of the VPC and the endpoint's group, for a VPC that moto has."""
    data = {kind: stack.document["data"][kind] for kind in ("aws_vpc", "aws_subnet")}
    resources = {
        kind: {name: stack.document["resource"][kind][name]}
        for kind, name in (
            ("aws_security_group", "Endpoints_Group"),
            ("aws_vpc_security_group_ingress_rule", "Endpoints_Vpc_Ingress"),
        )
    }
    text = json.dumps({**configuration(resources), "data": data})
    for ours, theirs in zip((VPC.vpc_id, *VPC.private_subnet_ids), (vpc_id, *subnet_ids), strict=True):
        text = text.replace(ours, theirs)
    return json.loads(text)
