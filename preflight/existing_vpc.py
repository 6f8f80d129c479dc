"""Whether a VPC that exists has what an environment needs, and no second one of what AWS allows only once."""

from collections.abc import Iterator, Mapping
from typing import Any

from preflight.account import Account
from preflight.findings import Finding
from stacks.config.environments import Environment
from stacks.config.network_settings import ExistingVpc


def existing_vpc(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check the VPC, subnets, route tables and endpoints; nothing if the stack creates the VPC."""
    vpc = environment.network.vpc
    if not isinstance(vpc, ExistingVpc):
        return
    yield from _dns(account, vpc)
    yield _subnets(account, vpc)
    yield _route_tables(account, vpc)
    yield _s3_endpoint(account, vpc, environment.region)
    yield _secrets_endpoint(account, vpc, environment.region)


def subnets(account: Account, vpc: ExistingVpc) -> list[Mapping[str, Any]]:
    """Return the private subnets that are in the VPC."""
    return list(
        account.every(
            "ec2",
            "describe_subnets",
            "Subnets",
            Filters=[_only("vpc-id", vpc.vpc_id), _only("subnet-id", *vpc.private_subnet_ids)],
        )
    )


def _dns(account: Account, vpc: ExistingVpc) -> Iterator[Finding]:
    check = f"{vpc.vpc_id}"
    if not list(account.every("ec2", "describe_vpcs", "Vpcs", Filters=[_only("vpc-id", vpc.vpc_id)])):
        yield Finding(check=check, found="not there", needed="a VPC", remedy="correct network.vpc.vpc_id")
        return
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = account.clients("ec2").describe_vpc_attribute(VpcId=vpc.vpc_id, Attribute=attribute)
        is_on = answer[attribute[0].upper() + attribute[1:]]["Value"]
        yield Finding(
            check=f"{check}: {attribute}",
            found="on" if is_on else "off",
            needed="on",
            remedy="" if is_on else "turn it on: private names of endpoints need it",
        )


def _subnets(account: Account, vpc: ExistingVpc) -> Finding:
    zones = {subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in subnets(account, vpc)}
    are_right = len(set(zones.values())) == len(vpc.private_subnet_ids)
    return Finding(
        check="private subnets",
        found=", ".join(f"{id_} {zones.get(id_, 'not there')}" for id_ in vpc.private_subnet_ids),
        needed=f"in {vpc.vpc_id}, each in another zone",
        remedy="" if are_right else "correct network.vpc.private_subnet_ids",
    )


def _route_tables(account: Account, vpc: ExistingVpc) -> Finding:
    """Compare the settings with the tables of the subnets: their own, or the VPC's main one."""
    tables = account.every(
        "ec2", "describe_route_tables", "RouteTables", Filters=[_only("vpc-id", vpc.vpc_id)]
    )
    of_subnets: dict[str, str] = {}
    main = "none"
    for table in tables:
        for association in table["Associations"]:
            if association.get("Main"):
                main = table["RouteTableId"]
            if "SubnetId" in association:
                of_subnets[association["SubnetId"]] = table["RouteTableId"]
    found = {of_subnets.get(subnet_id, main) for subnet_id in vpc.private_subnet_ids}
    return Finding(
        check="route tables of the private subnets",
        found=", ".join(sorted(found)),
        needed=", ".join(sorted(vpc.private_route_table_ids)),
        remedy="" if found == set(vpc.private_route_table_ids) else "network.vpc.private_route_table_ids",
    )


def _s3_endpoint(account: Account, vpc: ExistingVpc, region: str) -> Finding:
    led = {
        table_id
        for endpoint in _endpoints(account, vpc, f"com.amazonaws.{region}.s3", "Gateway")
        for table_id in endpoint["RouteTableIds"]
    } & set(vpc.private_route_table_ids)
    if vpc.has_s3_endpoint:
        remedy = "" if len(led) == len(vpc.private_route_table_ids) else "add the other route tables to it"
    else:
        # If the stack is deployed, it is the stack's own.
        remedy = "network.vpc.has_s3_endpoint=True" if led and not account.is_deployed else ""
    return Finding(
        check="gateway endpoint of S3",
        found=f"in {', '.join(sorted(led))}" if led else "in none of the route tables",
        needed="in each" if vpc.has_s3_endpoint else "the stack's own",
        remedy=remedy,
    )


def _secrets_endpoint(account: Account, vpc: ExistingVpc, region: str) -> Finding:
    group_id = vpc.secrets_endpoint_group_id
    groups = {
        group["GroupId"]
        for endpoint in _endpoints(account, vpc, f"com.amazonaws.{region}.secretsmanager", "Interface")
        if endpoint["PrivateDnsEnabled"]
        for group in endpoint["Groups"]
    }
    if group_id is not None:
        remedy = "" if group_id in groups else "correct network.vpc.secrets_endpoint_group_id"
    else:
        remedy = (
            "network.vpc.secrets_endpoint_group_id: its security group"
            if groups and not account.is_deployed
            else ""
        )
    return Finding(
        check="endpoint of Secrets Manager",
        found=f"with {', '.join(sorted(groups))}" if groups else "none with private DNS names",
        needed=f"with {group_id}" if group_id else "the stack's own",
        remedy=remedy,
    )


def _endpoints(account: Account, vpc: ExistingVpc, service: str, kind: str) -> Iterator[Mapping[str, Any]]:
    filters = [_only("vpc-id", vpc.vpc_id), _only("service-name", service), _only("vpc-endpoint-type", kind)]
    return account.every("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)


def _only(name: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}
