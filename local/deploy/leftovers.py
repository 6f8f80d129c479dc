"""List the resources of the emulated account, and find those that a destroy leaves behind."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from local.deploy.aws_clients import AwsClients

ResourceNames = dict[str, list[str]]
"""Kind of resource → the names of all its resources."""

# Service, call, the response's list, and the key of an element's name; None if the element is the name.
_LISTINGS = (
    ("athena", "list_work_groups", "WorkGroups", "Name"),
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
    ("glue", "get_databases", "DatabaseList", "Name"),
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
    # Without this, the policies that AWS manages are listed too.
    "list_policies": {"Scope": "Local"},
    # The name of a secret that waits for its deletion cannot be used again.
    "list_secrets": {"IncludePlannedDeletion": True},
}


async def list_resources(aws: AwsClients) -> ResourceNames:
    """Return the account's resources of every kind that the stacks could create."""
    names: ResourceNames = {}
    for service, listings in groupby(_LISTINGS, lambda listing: listing[0]):
        async with aws.client(service) as client:
            for _, call, list_key, name_key in listings:
                response = await getattr(client, call)(**_ARGUMENTS.get(call, {}))
                names[f"{service} {list_key}"] = sorted(
                    element if name_key is None else element[name_key]
                    for element in response.get(list_key, [])
                )
    return names


def find_leftovers(before: ResourceNames, after: ResourceNames) -> list[str]:
    """Return a line for each resource that exists now and did not before, or the other way round."""
    lines = []
    for kind in sorted(before.keys() | after.keys()):
        was, now = set(before.get(kind, ())), set(after.get(kind, ()))
        lines += [f"{kind}: {name} is left over" for name in sorted(now - was)]
        lines += [f"{kind}: {name} is gone, though we did not create it" for name in sorted(was - now)]
    return lines
