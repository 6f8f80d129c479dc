import pytest

from tests.support.synthesized import Stack

PRIVATE_SUBNETS = [
    f"${{aws_route_table_association.Network_Private{zone}RoutesOf.subnet_id}}" for zone in (1, 2, 3)
]

COMMANDS = {
    "Cache_Processor_User": "+ping +unlink",
    "Cache_Shop_User": "+ping +get +getrange +set +del +evalsha +script|load +client|setinfo",
}


@pytest.mark.parametrize(
    ("argument", "dev", "staging", "prod"),
    [
        ("replication_group_id", "product-cache-dev", "product-cache-staging", "product-cache-prod"),
        ("engine", "valkey", "valkey", "valkey"),
        ("engine_version", "8.1", "8.1", "8.1"),
        ("node_type", "cache.t4g.micro", "cache.t4g.micro", "cache.m7g.large"),
        ("num_cache_clusters", 1, 1, 2),
        ("automatic_failover_enabled", False, False, True),
        ("multi_az_enabled", False, False, True),
        ("port", 6379, 6379, 6379),
        ("transit_encryption_enabled", True, True, True),
        ("transit_encryption_mode", "required", "required", "required"),
        # A string, unlike every other flag: the provider requires it.
        ("at_rest_encryption_enabled", "true", "true", "true"),
        ("auto_minor_version_upgrade", "true", "true", "true"),
        ("snapshot_retention_limit", 0, 0, 0),
        ("apply_immediately", True, True, False),
    ],
)
def test_the_replication_group(
    readable: dict[str, Stack], argument: str, dev: object, staging: object, prod: object
) -> None:
    groups = [readable[name].only("aws_elasticache_replication_group") for name in ("dev", "staging", "prod")]
    assert [group.get(argument) for group in groups] == [dev, staging, prod]


def test_terraform_leaves_a_running_caches_version_alone_but_warns(stack: Stack) -> None:
    group = stack.only("aws_elasticache_replication_group")
    assert group["lifecycle"]["ignore_changes"] == ["engine_version"]
    running = "aws_elasticache_replication_group.Cache_ReplicationGroup.engine_version"
    check = stack.document["check"]["cache_version"]["assert"]
    assert check["condition"] == f'${{{running} == "8.1"}}'
    assert f"The cache runs Valkey ${{{running}}}, and cache.engine_version is 8.1." in check["error_message"]


def test_cluster_mode_is_disabled(stack: Stack) -> None:
    group = stack.only("aws_elasticache_replication_group")
    assert not {"cluster_mode", "num_node_groups", "replicas_per_node_group", "parameter_group_name"} & set(
        group
    )


@pytest.mark.parametrize(("name", "zones"), [("dev", 2), ("staging", 2), ("prod", 3)])
def test_the_cache_is_in_the_private_subnets(readable: dict[str, Stack], name: str, zones: int) -> None:
    stack = readable[name]
    group = stack.only("aws_elasticache_replication_group")
    assert group["subnet_group_name"] == "${aws_elasticache_subnet_group.Cache_Subnets.name}"
    assert stack.only("aws_elasticache_subnet_group")["subnet_ids"] == PRIVATE_SUBNETS[:zones]
    assert group["security_group_ids"] == ["${aws_security_group.Cache_Group.id}"]


def test_only_its_users_can_log_in(stack: Stack) -> None:
    """Without the user group, ElastiCache lets anybody log in as `default`."""
    group = stack.only("aws_elasticache_replication_group")
    assert group["user_group_ids"] == ["${aws_elasticache_user_group.Cache_Users.user_group_id}"]
    assert "auth_token" not in group
    users = stack.only("aws_elasticache_user_group")
    assert users["engine"] == "valkey"
    assert users["user_ids"] == [
        "${aws_elasticache_user.Cache_Processor_User.user_id}",
        "${aws_elasticache_user.Cache_Shop_User.user_id}",
    ]


@pytest.mark.parametrize("name", ["dev", "staging", "prod", "pr-42"])
@pytest.mark.parametrize(
    ("user", "base"), [("Cache_Processor_User", "inventory-processor"), ("Cache_Shop_User", "product-shop")]
)
def test_users_authenticate_with_iam(readable: dict[str, Stack], name: str, user: str, base: str) -> None:
    found = dict(readable[name].named("aws_elasticache_user", user))
    del found["//"], found["access_string"]
    assert found == {
        # IAM authentication requires both to be the same.
        "user_id": f"{base}-{name}",
        "user_name": f"{base}-{name}",
        "engine": "valkey",
        "authentication_mode": {"type": "iam"},
    }


def test_users_may_run_only_named_commands_on_products_and_leases(stack: Stack) -> None:
    """tests/contract/test_cache_users.py tries the commands on a real server.

    ElastiCache returns an access string in this order, and the provider compares texts.
    """
    users = stack.all("aws_elasticache_user")
    assert {id_: user["access_string"].split(" -@all ") for id_, user in users.items()} == {
        id_: ["on ~product:* ~lease:*", commands] for id_, commands in COMMANDS.items()
    }
