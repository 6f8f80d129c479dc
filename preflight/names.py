"""Whether the stack's physical names are free."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from preflight.account import Account
from preflight.findings import Finding

_ACCOUNT_ID = "${data.aws_caller_identity.Account.account_id}"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """How to list all names of a kind; `argument`: the resource's argument that is its name.

    `name`: where an entry has its name, empty if an entry is the name.
    """

    service: str
    operation: str
    key: str
    name: str
    argument: str = "name"
    parameters: Mapping[str, Any] = field(default_factory=dict)


LISTINGS: Mapping[str, Listing] = {
    "aws_cloudwatch_event_rule": Listing(service="events", operation="list_rules", key="Rules", name="Name"),
    "aws_cloudwatch_log_group": Listing(
        service="logs", operation="describe_log_groups", key="logGroups", name="logGroupName"
    ),
    "aws_cloudwatch_metric_alarm": Listing(
        service="cloudwatch",
        operation="describe_alarms",
        key="MetricAlarms",
        name="AlarmName",
        argument="alarm_name",
    ),
    "aws_db_instance": Listing(
        service="rds",
        operation="describe_db_instances",
        key="DBInstances",
        name="DBInstanceIdentifier",
        argument="identifier",
    ),
    "aws_db_parameter_group": Listing(
        service="rds",
        operation="describe_db_parameter_groups",
        key="DBParameterGroups",
        name="DBParameterGroupName",
    ),
    "aws_db_subnet_group": Listing(
        service="rds", operation="describe_db_subnet_groups", key="DBSubnetGroups", name="DBSubnetGroupName"
    ),
    "aws_elasticache_replication_group": Listing(
        service="elasticache",
        operation="describe_replication_groups",
        key="ReplicationGroups",
        name="ReplicationGroupId",
        argument="replication_group_id",
    ),
    "aws_elasticache_subnet_group": Listing(
        service="elasticache",
        operation="describe_cache_subnet_groups",
        key="CacheSubnetGroups",
        name="CacheSubnetGroupName",
    ),
    "aws_elasticache_user": Listing(
        service="elasticache", operation="describe_users", key="Users", name="UserId", argument="user_id"
    ),
    "aws_elasticache_user_group": Listing(
        service="elasticache",
        operation="describe_user_groups",
        key="UserGroups",
        name="UserGroupId",
        argument="user_group_id",
    ),
    "aws_iam_policy": Listing(
        service="iam",
        operation="list_policies",
        key="Policies",
        name="PolicyName",
        parameters={"Scope": "Local"},
    ),
    "aws_iam_role": Listing(service="iam", operation="list_roles", key="Roles", name="RoleName"),
    "aws_kinesis_stream": Listing(service="kinesis", operation="list_streams", key="StreamNames", name=""),
    "aws_lambda_function": Listing(
        service="lambda",
        operation="list_functions",
        key="Functions",
        name="FunctionName",
        argument="function_name",
    ),
    "aws_secretsmanager_secret": Listing(
        service="secretsmanager",
        operation="list_secrets",
        key="SecretList",
        name="Name",
        parameters={"IncludePlannedDeletion": True},
    ),
    "aws_sqs_queue": Listing(service="sqs", operation="list_queues", key="QueueUrls", name=""),
}
"""The kinds of which AWS refuses a second one with the same name, or takes over the one that is there."""

Names = Mapping[str, list[str]]


def names_of(stack: Path, *, account_id: str) -> dict[str, list[str]]:
    """Return a synthesized stack's physical names by kind, but not those that AWS chooses."""
    document = json.loads((stack / "cdk.tf.json").read_text(encoding="utf-8"))
    arguments = {kind: listing.argument for kind, listing in LISTINGS.items()} | {"aws_s3_bucket": "bucket"}
    found = {
        kind: [
            body[arguments[kind]].replace(_ACCOUNT_ID, account_id)
            for body in resources.values()
            if arguments[kind] in body
        ]
        for kind, resources in document["resource"].items()
        if kind in arguments
    }
    return {kind: sorted(name for name in names if "${" not in name) for kind, names in found.items()}


def taken_names(account: Account, kind: str, names: list[str]) -> Iterator[Finding]:
    """Yield a finding for each name that is taken; none if all are free."""
    if kind == "aws_s3_bucket":
        yield from _taken_buckets(account, names)
        return
    listing = LISTINGS[kind]
    entries = account.every(listing.service, listing.operation, listing.key, **listing.parameters)
    there = {_name(listing, entry): entry for entry in entries}
    for name in names:
        if name in there:
            yield _taken(kind, name, there[name])


def _name(listing: Listing, entry: Any) -> str:
    name: str = entry[listing.name] if listing.name else entry
    # The last part of a queue's URL; log groups have names with slashes.
    return name.rpartition("/")[2] if listing.key == "QueueUrls" else name


def _taken(kind: str, name: str, entry: Any) -> Finding:
    if isinstance(entry, Mapping) and entry.get("DeletedDate"):
        return Finding(
            check=name,
            found=f"{kind} scheduled for deletion",
            needed="free",
            remedy="restore it and import it into the state, or wait until it is deleted",
        )
    return Finding(
        check=name,
        found=f"{kind} is there, and no state of this stack",
        needed="free",
        remedy="delete it, import it into the state, or deploy with the state that has it",
    )


def _taken_buckets(account: Account, names: list[str]) -> Iterator[Finding]:
    """All accounts share the names of buckets, so a bucket of another account counts too."""
    for name in names:
        try:
            account.clients("s3").head_bucket(Bucket=name)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:
                continue
            if status != 403:
                raise
            yield Finding(
                check=name,
                found="aws_s3_bucket of another account, or hidden from you",
                needed="free",
                remedy="find out whose it is; the name contains this account's id",
            )
        else:
            yield _taken("aws_s3_bucket", name, None)
