"""The shop's cache: Valkey on ElastiCache, cluster mode disabled."""

from cdktf import TerraformResourceLifecycle, TerraformStack
from cdktf_cdktf_provider_aws.elasticache_replication_group import ElasticacheReplicationGroup
from cdktf_cdktf_provider_aws.elasticache_subnet_group import ElasticacheSubnetGroup
from cdktf_cdktf_provider_aws.elasticache_user import ElasticacheUser, ElasticacheUserAuthenticationMode
from cdktf_cdktf_provider_aws.elasticache_user_group import ElasticacheUserGroup
from constructs import Construct

from stacks.config.environments import Environment
from stacks.network import Network
from stacks.policies import Statement, allow
from stacks.security_group import Listener, SecurityGroup

REDIS_PORT = 6379
# Values and leases. The processor only deletes. The shop reads, takes leases and stores with a script;
# redis-py needs `client setinfo` to identify itself. ElastiCache returns access strings in this order; since
# the provider compares texts, another order would be a change in every plan.
_KEYS = "~product:* ~lease:*"
PROCESSOR_MAY = f"on {_KEYS} -@all +ping +unlink"
SHOP_MAY = f"on {_KEYS} -@all +ping +get +getrange +set +del +evalsha +script|load +client|setinfo"


class CacheUser(Construct):
    """A user that logs in with an IAM role, since a password could not be kept out of Terraform's state.

    `id`, `name`, `arn`: the user's.
    """

    def __init__(self, scope: Construct, id_: str, *, name: str, access: str) -> None:
        super().__init__(scope, id_)
        user = ElasticacheUser(
            self,
            "User",
            # IAM authentication requires both to be the same.
            user_id=name,
            user_name=name,
            engine="valkey",
            access_string=access,
            authentication_mode=ElasticacheUserAuthenticationMode(type="iam"),
        )
        self.id = user.user_id
        self.name = user.user_name
        self.arn = user.arn


class Cache(Construct):
    """An encrypted replication group; with replicas it fails over automatically.

    `host`: the primary's. `cluster_id`: IAM logins are signed for it. `node_ids`: values of CloudWatch's
    dimension CacheClusterId. `processor`, `shop`: the users. `listener`: the target of connections.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, network: Network) -> None:
        super().__init__(scope, id_)
        name = config.physical_name("product-cache")
        nodes = 1 + config.cache.replicas
        group = SecurityGroup(
            self, "Group", name=name, description="Cache of the product catalog", vpc_id=network.vpc_id
        )
        self.listener = Listener(name="Cache", members=group, port=REDIS_PORT)
        self.processor = CacheUser(
            self, "Processor", name=config.physical_name("inventory-processor"), access=PROCESSOR_MAY
        )
        self.shop = CacheUser(self, "Shop", name=config.physical_name("product-shop"), access=SHOP_MAY)
        users = ElasticacheUserGroup(
            self,
            "Users",
            user_group_id=name,
            engine="valkey",
            user_ids=[self.processor.id, self.shop.id],
        )
        subnets = ElasticacheSubnetGroup(
            self,
            "Subnets",
            name=name,
            description="Private subnets of the product catalog",
            subnet_ids=network.private_subnet_ids,
        )
        replication_group = ElasticacheReplicationGroup(
            self,
            "ReplicationGroup",
            replication_group_id=name,
            description="Cached products",
            engine="valkey",
            engine_version=config.cache.engine_version,
            auto_minor_version_upgrade="true",
            node_type=config.cache.node_type,
            num_cache_clusters=nodes,
            automatic_failover_enabled=nodes > 1,
            multi_az_enabled=nodes > 1,
            port=REDIS_PORT,
            subnet_group_name=subnets.name,
            security_group_ids=[group.id],
            user_group_ids=[users.user_group_id],
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled="true",
            kms_key_id=config.encryption_key_arn,
            # Everything in the cache can be read again from the database.
            snapshot_retention_limit=0,
            apply_immediately=not config.is_kept,
            lifecycle=TerraformResourceLifecycle(
                # After an automatic upgrade the version here is older, and the provider replaces the cache
                # rather than downgrade it.
                ignore_changes=["engine_version"],
                prevent_destroy=config.is_kept,
            ),
        )
        self._warn_of_another_version(replication_group, config.cache.engine_version)
        self._arn = replication_group.arn
        self.host = replication_group.primary_endpoint_address
        self.cluster_id = replication_group.replication_group_id
        self.node_ids = tuple(f"{name}-{number:03}" for number in range(1, nodes + 1))

    def _warn_of_another_version(self, group: ElasticacheReplicationGroup, version: str) -> None:
        """Make each plan warn if the cache runs another version than the settings say."""
        advice = (
            f"The cache runs Valkey ${{{group.fqn}.engine_version}}, and cache.engine_version is {version}. "
            "Terraform leaves a running cache's version alone. After an automatic upgrade, change "
            "cache.engine_version. To upgrade the cache: aws elasticache modify-replication-group "
            f"--replication-group-id ${{{group.fqn}.id}} --engine-version {version} --apply-immediately"
        )
        # cdktf 0.21 does not support checks.
        TerraformStack.of(self).add_override(
            "check.cache_version.assert",
            {"condition": f'${{{group.fqn}.engine_version == "{version}"}}', "error_message": advice},
        )

    def connect_statement(self, user: CacheUser) -> Statement:
        """Return what an IAM role needs to log in as the user."""
        return allow("ConnectToCache", ["elasticache:Connect"], [self._arn, user.arn])
