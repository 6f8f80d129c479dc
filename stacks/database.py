"""The catalog's PostgreSQL on RDS.

To move to the next major version, add it to config/supported_versions.py and set `database.engine_version` in
config/environments.py. RDS refuses such an upgrade unless the instance below also has
`allow_major_version_upgrade=True`.
"""

from cdktf import Fn, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.db_instance import DbInstance
from cdktf_cdktf_provider_aws.db_parameter_group import DbParameterGroup, DbParameterGroupParameter
from cdktf_cdktf_provider_aws.db_subnet_group import DbSubnetGroup
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.settings import DatabaseSettings, Removal
from stacks.database_monitoring import DatabaseMonitoring
from stacks.network import Network
from stacks.security_group import Listener, SecurityGroup

DATABASE_NAME = "productcatalog"
ADMINISTRATOR = "postgres"
POSTGRES_PORT = 5432
_EXPORTED_LOGS = ("postgresql", "upgrade")
# Our value is the default of each major version that is accepted:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html,
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL_Password_Encryption_configuration.html
_FAMILY_DEFAULTS = frozenset({"rds.force_ssl", "password_encryption"})
# The advanced mode requires fifteen months.
_INSIGHTS_DAYS = 465


class Database(Construct):
    """An encrypted instance that accepts connections over TLS only, and whose storage grows as it fills.

    RDS creates and rotates the administrator's password in its own secret; the password is never in
    Terraform's state.

    `identifier`, `resource_id`, `host`: the instance's. `admin_secret_arn`: the administrator's login.
    `listener`: the target of connections.
    """

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, network: Network, account_id: str
    ) -> None:
        super().__init__(scope, id_)
        settings = config.database
        kept = config.is_kept
        throwaway = config.removal is Removal.WITH_CONTENTS
        # Kept in the state from then on, so that the next instance's final snapshot has another name.
        first_planned = Fn.formatdate("YYYYMMDDhhmmss", Fn.plantimestamp())
        identifier = config.physical_name("product-catalog")
        group = self._security_group(config, network)
        self.listener = Listener(name="Database", members=group, port=POSTGRES_PORT)
        monitoring = (
            DatabaseMonitoring(
                self, "Monitoring", config=config, account_id=account_id, identifier=identifier
            )
            if settings.monitoring_seconds
            else None
        )
        logs = self._log_groups(config, identifier)
        instance = DbInstance(
            self,
            "Instance",
            identifier=identifier,
            engine="postgres",
            engine_version=settings.engine_version,
            auto_minor_version_upgrade=True,
            instance_class=settings.instance_class,
            db_name=DATABASE_NAME,
            username=ADMINISTRATOR,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=config.encryption_key_arn,
            port=POSTGRES_PORT,
            db_subnet_group_name=self._subnet_group(config, network),
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            parameter_group_name=self._parameter_group(config),
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=config.encryption_key_arn,
            allocated_storage=settings.storage_gb,
            max_allocated_storage=settings.storage_limit_gb,
            backup_retention_period=settings.backup_retention_days,
            delete_automated_backups=throwaway,
            copy_tags_to_snapshot=True,
            deletion_protection=kept,
            skip_final_snapshot=throwaway,
            # For a removal the provider reads these from the state, so every environment has a name there.
            final_snapshot_identifier=config.physical_name(f"product-catalog-final-{first_planned}"),
            apply_immediately=not kept,
            database_insights_mode="advanced" if settings.detailed_insights else "standard",
            performance_insights_enabled=settings.detailed_insights,
            performance_insights_retention_period=_INSIGHTS_DAYS if settings.detailed_insights else None,
            performance_insights_kms_key_id=config.encryption_key_arn if settings.detailed_insights else None,
            enabled_cloudwatch_logs_exports=list(_EXPORTED_LOGS) if settings.log_exports else None,
            monitoring_interval=settings.monitoring_seconds or None,
            monitoring_role_arn=monitoring.role_arn if monitoring else None,
            depends_on=[*logs, *([monitoring.rights] if monitoring else [])],
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=["final_snapshot_identifier"], prevent_destroy=kept
            ),
        )
        self.identifier = instance.identifier
        self.resource_id = instance.resource_id
        self.host = instance.address
        self.admin_secret_arn = instance.master_user_secret.get(0).secret_arn

    def _log_groups(self, config: Environment, identifier: str) -> list[CloudwatchLogGroup]:
        """Create the log groups before RDS does, whose own would never expire.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
        """
        if not config.database.log_exports:
            return []
        return [
            CloudwatchLogGroup(
                self,
                f"{name.title()}Log",
                name=f"/aws/rds/instance/{identifier}/{name}",
                retention_in_days=config.logs.retention_days,
                kms_key_id=config.encryption_key_arn,
                lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
            )
            for name in _EXPORTED_LOGS
        ]

    def _security_group(self, config: Environment, network: Network) -> SecurityGroup:
        return SecurityGroup(
            self,
            "Group",
            name=config.physical_name("product-catalog-database"),
            description="PostgreSQL of the product catalog",
            vpc_id=network.vpc_id,
        )

    def _subnet_group(self, config: Environment, network: Network) -> str:
        return DbSubnetGroup(
            self,
            "Subnets",
            name=config.physical_name("product-catalog"),
            description="Private subnets of the product catalog",
            subnet_ids=network.private_subnet_ids,
        ).name

    def _parameter_group(self, config: Environment) -> str:
        family = f"postgres{config.database.engine_version}"
        return DbParameterGroup(
            self,
            "Parameters",
            # Another family needs another group, created before the old one is deleted.
            name=config.physical_name(f"product-catalog-{family}"),
            family=family,
            description="Product catalog",
            parameter=parameters(config.database),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        ).name


def parameters(settings: DatabaseSettings) -> list[DbParameterGroupParameter]:
    """Return the parameters of the instance's group."""
    values = {
        "rds.force_ssl": "1",
        "password_encryption": "scram-sha-256",
        # In ms: closes connections that a frozen execution environment left open.
        "idle_session_timeout": str(settings.idle_session_timeout_seconds * 1000),
        # In ms: how soon a statement whose client is gone is stopped.
        "client_connection_check_interval": "1000",
        # In ms: no code of ours leaves a transaction open, and an open one only keeps rows locked.
        "idle_in_transaction_session_timeout": "60000",
    }
    return [
        DbParameterGroupParameter(
            name=name,
            value=value,
            # RDS stores no apply method for a default value: it reports `pending-reboot`, and `immediate` is
            # a change in every plan. https://github.com/hashicorp/terraform-provider-aws/issues/39252
            apply_method="pending-reboot" if name in _FAMILY_DEFAULTS else "immediate",
        )
        for name, value in values.items()
    ]
