"""What there is in the emulated account, so that what a destroy leaves behind shows."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from local.deploy.aws_clients import AwsClients

ResourceNames = dict[str, list[str]]
"""Kind of resource → the names of all there are."""

# Service, call, where in the answer the list is, and what names an element of it; None: the element itself.
_LISTINGS = (
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("elasticache", "describe_cache_clusters", "CacheClusters", "CacheClusterId"),
    ("elasticache", "describe_cache_parameter_groups", "CacheParameterGroups", "CacheParameterGroupName"),
    ("elasticache", "describe_cache_subnet_groups", "CacheSubnetGroups", "CacheSubnetGroupName"),
    ("elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
    ("elasticache", "describe_user_groups", "UserGroups", "UserGroupId"),
    ("elasticache", "describe_users", "Users", "UserId"),
    ("events", "list_rules", "Rules", "Name"),
    ("iam", "list_policies", "Policies", "Arn"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("kinesis", "list_streams", "StreamNames", None),
    ("kms", "list_keys", "Keys", "KeyId"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_layers", "Layers", "LayerName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
    ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sqs", "list_queues", "QueueUrls", None),
)
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    # AWS's own policies are no resources of anybody's.
    "list_policies": {"Scope": "Local"},
    # A secret that waits for its deletion keeps its name taken.
    "list_secrets": {"IncludePlannedDeletion": True},
}


async def list_resources(aws: AwsClients) -> ResourceNames:
    """Return all that the account holds, of every kind that the stacks could make."""
    held: ResourceNames = {}
    for service, listings in groupby(_LISTINGS, lambda listing: listing[0]):
        async with aws.client(service) as client:
            for _, call, place, name in listings:
                answer = await getattr(client, call)(**_ARGUMENTS.get(call, {}))
                elements = answer.get(place, [])
                held[f"{service} {place}"] = sorted(
                    element if name is None else element[name] for element in elements
                )
    return held


def find_leftovers(before: ResourceNames, after: ResourceNames) -> list[str]:
    """Return a line for each resource that is there now and was not, or the other way round."""
    lines = []
    for kind in sorted(before.keys() | after.keys()):
        was, now = set(before.get(kind, ())), set(after.get(kind, ()))
        lines += [f"{kind}: {name} is left over" for name in sorted(now - was)]
        lines += [f"{kind}: {name} is gone, and was not ours" for name in sorted(was - now)]
    return lines
