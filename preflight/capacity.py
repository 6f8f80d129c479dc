"""Whether the account and its region have what an environment needs."""

from collections.abc import Iterator, Mapping

from preflight.account import Account
from preflight.existing_vpc import subnets
from preflight.findings import Finding
from stacks.config.environments import Environment
from stacks.config.network_settings import ExistingVpc
from stacks.deploy_checks import UNRESERVED_CONCURRENCY

_VPCS_PER_REGION = "L-F678F1CE"
_ZONES = "network.vpc.zone_ids, or private_subnet_ids in an existing VPC"
_SERVICE_LINKED_ROLES = ("AWSServiceRoleForElastiCache", "AWSServiceRoleForRDS")


def concurrency(account: Account, environment: Environment) -> Iterator[Finding]:
    """Compare Lambda's concurrency with what all functions reserve and what AWS keeps unreserved."""
    limits = account.clients("lambda").get_account_settings()["AccountLimit"]
    quota = limits["ConcurrentExecutions"]
    reserved = quota - limits["UnreservedConcurrentExecutions"]
    ours = 0 if account.is_deployed else environment.function.reserved_concurrency or 0
    if environment.function.reserved_concurrency:
        needed = UNRESERVED_CONCURRENCY + reserved + ours
        parts = f"{needed}: {UNRESERVED_CONCURRENCY} unreserved, {reserved} reserved, {ours} for this stack"
    else:
        needed = reserved + environment.planned_concurrency
        parts = f"{needed}: {reserved} reserved, {environment.planned_concurrency} for this stack"
    yield Finding(
        check="Lambda concurrency",
        found=str(quota),
        needed=parts,
        remedy="" if quota >= needed else f"Service Quotas, Lambda, L-B99A9384: request {needed} or more",
    )


def vpcs(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check that one more VPC fits into the region, if the stack creates one."""
    if isinstance(environment.network.vpc, ExistingVpc):
        return
    count = sum(1 for _ in account.every("ec2", "describe_vpcs", "Vpcs"))
    found = account.clients("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode=_VPCS_PER_REGION)
    quota = int(found["Quota"]["Value"])
    needed = count + (not account.is_deployed)
    yield Finding(
        check="VPCs in the region",
        found=f"{count} of {quota}",
        needed=f"a quota of {needed}",
        remedy=""
        if quota >= needed
        else f"Service Quotas, VPC, {_VPCS_PER_REGION}: request {needed} or more in {environment.region}",
    )


def zones(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check that the account has the environment's zones."""
    states = {zone["ZoneId"]: zone["State"] for zone in _zones(account)}
    wanted = _zone_ids(account, environment)
    if not wanted:
        # The check of the existing VPC names the subnets that are missing.
        return
    missing = [zone_id for zone_id in wanted if states.get(zone_id) != "available"]
    yield Finding(
        check="availability zones",
        found=", ".join(f"{zone_id} {states.get(zone_id, 'not there')}" for zone_id in wanted),
        needed="available",
        remedy=f"choose others than {', '.join(missing)}: {_ZONES}" if missing else "",
    )


def database_class(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check that RDS offers the instance class, for the engine's version, in the environment's zones."""
    settings = environment.database
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in _zones(account)}
    options: Iterator[Mapping[str, object]] = account.every(
        "rds",
        "describe_orderable_db_instance_options",
        "OrderableDBInstanceOptions",
        Engine="postgres",
        DBInstanceClass=settings.instance_class,
    )
    offered = {
        ids.get(zone["Name"])
        for option in options
        if str(option["EngineVersion"]).split(".")[0] == settings.engine_version
        and (option["MultiAZCapable"] or not settings.multi_az)
        for zone in option["AvailabilityZones"]  # type: ignore[attr-defined]
    }
    wanted = _zone_ids(account, environment)
    missing = [zone_id for zone_id in wanted if zone_id not in offered]
    yield Finding(
        check=settings.instance_class,
        found=", ".join(sorted(filter(None, offered))) or "offered in no zone",
        needed=f"PostgreSQL {settings.engine_version} in {', '.join(wanted) or 'the zones of the subnets'}",
        remedy=f"another database.instance_class, or other {_ZONES}" if missing or not offered else "",
    )


def cache_node_type(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check that ElastiCache offers the node type in the region.

    ElastiCache has no operation that lists node types; those that can be reserved are the nearest.
    """
    node_type = environment.cache.node_type
    offers = account.every(
        "elasticache",
        "describe_reserved_cache_nodes_offerings",
        "ReservedCacheNodesOfferings",
        CacheNodeType=node_type,
    )
    is_offered = next(offers, None) is not None
    yield Finding(
        check=node_type,
        found="offered" if is_offered else "not offered",
        needed=f"in {environment.region}",
        remedy="" if is_offered else "another cache.node_type",
    )


def service_linked_roles(account: Account, environment: Environment) -> Iterator[Finding]:
    """Say which service-linked roles AWS will create; their absence is in nobody's way."""
    del environment
    there = {
        role["RoleName"]
        for role in account.every("iam", "list_roles", "Roles", PathPrefix="/aws-service-role/")
    }
    for name in _SERVICE_LINKED_ROLES:
        yield Finding(
            check=name,
            found="there" if name in there else "not there: AWS creates it",
            needed="nothing" if name in there else "iam:CreateServiceLinkedRole",
        )


def _zone_ids(account: Account, environment: Environment) -> tuple[str, ...]:
    """Return the zones of the private subnets."""
    vpc = environment.network.vpc
    if isinstance(vpc, ExistingVpc):
        return tuple(subnet["AvailabilityZoneId"] for subnet in subnets(account, vpc))
    return vpc.zone_ids


def _zones(account: Account) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = account.clients("ec2").describe_availability_zones(
        AllAvailabilityZones=True
    )["AvailabilityZones"]
    return found
