"""One environment's stack: composes the constructs and owns no resource."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import (
    Fn,
    LocalBackend,
    Precondition,
    S3Backend,
    TerraformOutput,
    TerraformResourceLifecycle,
    TerraformStack,
)
from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from stacks.access import ShopAccess, SupplierAccess
from stacks.access_logs import AccessLogs
from stacks.archive import Archive
from stacks.archive_queries import ArchiveQueries
from stacks.bucket import refuse_customer_provided_keys
from stacks.cache import Cache
from stacks.code_assets import CodeAssets, DeploymentPackages
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import Database
from stacks.endpoints import Endpoints
from stacks.environment_parameter import EnvironmentParameter
from stacks.event_source_mapping import EventSourceMapping
from stacks.flow_logs import FlowLogs
from stacks.invalidation_drain import InvalidationDrain
from stacks.inventory_processor import InventoryProcessor
from stacks.migrations import Migrations
from stacks.monitoring.alarms import Alarms
from stacks.monitoring.dashboard import Dashboard
from stacks.monitoring.metrics import Watched
from stacks.network import Network
from stacks.operator_access import OperatorAccess
from stacks.provider_binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS
from stacks.quarantine import Quarantine
from stacks.removal_guard import RemovalGuard
from stacks.replay import Replay
from stacks.stream import InventoryStream

TERRAFORM_VERSIONS = ">= 1.11"
"""1.11 is the first with write-only arguments, which keep passwords out of the state."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What depends on who deploys and from where, not on the environment.

    `account_id`: the only account that Terraform may touch; None: the account of the credentials.
    `state_bucket`: keeps the Terraform state; None: it is in a file in the project's folder.
    `state_region`: the state bucket's; None: the stack's.
    `wide_provider_versions`: accept `WIDE_PROVIDER_VERSIONS` instead of only the binding's own version.
    `permissions_boundary`: the ARN of the policy that bounds the functions' roles; None: nothing bounds them.
    `role_path`: where in IAM the roles and policies are, such as `/team/`; None: `/`.
    `deployment_packages`: the zip files that Lambda will run.
    """

    account_id: str | None
    state_bucket: str | None
    state_region: str | None
    wide_provider_versions: bool
    permissions_boundary: str | None
    role_path: str | None
    deployment_packages: DeploymentPackages


class CatalogStack(TerraformStack):
    """Everything an environment deploys, created in the order in which the parts need each other.

    `refusals`: why this stack must not be deployed. Synthesis and a destroy work all the same.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        deployment: Deployment,
        refusals: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, id_)
        self._config = config
        self._configure_backend(deployment)
        self._configure_provider(deployment)
        self._account_id = self._find_account(refusals)
        self._code_assets = CodeAssets(self, "Packages", config=config, built=deployment.deployment_packages)
        self._create_storage()
        self._create_network()
        self._create_functions()
        self._restrict_endpoints()
        self._create_access()
        self._create_monitoring()
        self._place_roles(deployment)
        if not deployment.wide_provider_versions:
            refuse_customer_provided_keys(self)
        RemovalGuard(self, "Guard", config=config)
        self._create_outputs()

    def _find_account(self, refusals: Sequence[str]) -> str:
        """Return the account's id, of which Terraform plans nothing while there are refusals."""
        preconditions = [
            # Never true. Terraform rejects a condition without a reference, and ignores it in a destroy.
            Precondition(condition='${path.module == ""}', error_message=refusal)
            for refusal in refusals
        ]
        lifecycle = TerraformResourceLifecycle(precondition=preconditions) if preconditions else None
        return DataAwsCallerIdentity(self, "Account", lifecycle=lifecycle).account_id

    def _create_storage(self) -> None:
        """Create the stream and the buckets, which are outside the network."""
        config, account_id = self._config, self._account_id
        self._stream = InventoryStream(self, "Stream", config=config)
        self._archive = Archive(self, "Archive", config=config, account_id=account_id)
        self._queries = ArchiveQueries(
            self, "Queries", config=config, account_id=account_id, archive=self._archive
        )
        self._quarantine = Quarantine(self, "Quarantine", config=config, account_id=account_id)
        AccessLogs(
            self,
            "AccessLogs",
            config=config,
            account_id=account_id,
            archive=self._archive,
            quarantine=self._quarantine,
        )

    def _create_network(self) -> None:
        """Create the network, what the functions connect to in it, and the endpoints."""
        config = self._config
        self._network = Network(self, "Network", config=config)
        FlowLogs(self, "FlowLogs", config=config, network=self._network, account_id=self._account_id)
        self._database = Database(
            self, "Database", config=config, network=self._network, account_id=self._account_id
        )
        self._writer = Credentials(
            self,
            "Writer",
            config=config,
            name="product-catalog-db-credentials",
            username="inventory_processor",
            database=self._database,
        )
        self._reader = Credentials(
            self,
            "Reader",
            config=config,
            name="product-catalog-db-reader",
            username="product_shop",
            database=self._database,
        )
        self._cache = Cache(self, "Cache", config=config, network=self._network)
        self._endpoints = Endpoints(self, "Endpoints", config=config, network=self._network)

    def _create_functions(self) -> None:
        """Create the functions and what invokes the processor."""
        config = self._config
        self._migrations = Migrations(
            self,
            "Migrations",
            config=config,
            network=self._network,
            endpoints=self._endpoints,
            code_assets=self._code_assets,
            database=self._database,
            writer=self._writer,
            reader=self._reader,
        )
        self._processor = InventoryProcessor(
            self,
            "Processor",
            config=config,
            network=self._network,
            endpoints=self._endpoints,
            code_assets=self._code_assets,
            stream=self._stream,
            archive=self._archive,
            quarantine=self._quarantine,
            database=self._database,
            credentials=self._writer,
            cache=self._cache,
            migrations=self._migrations,
        )
        self._event_source = EventSourceMapping(
            self,
            "EventSource",
            config=config,
            stream=self._stream,
            processor=self._processor,
            quarantine=self._quarantine,
        )
        InvalidationDrain(self, "Drain", config=config, processor=self._processor)
        self._replay = self._create_replay()

    def _create_replay(self) -> Replay | None:
        settings = self._config.replay
        if settings is None:
            return None
        return Replay(
            self,
            "Replay",
            config=self._config,
            settings=settings,
            account_id=self._account_id,
            network=self._network,
            endpoints=self._endpoints,
            code_assets=self._code_assets,
            archive=self._archive,
            quarantine=self._quarantine,
            database=self._database,
            credentials=self._writer,
            cache=self._cache,
            migrations=self._migrations,
        )

    def _restrict_endpoints(self) -> None:
        """Bind the functions to what they need, once their roles are known."""
        self._endpoints.restrict(
            account_id=self._account_id,
            role_arns=[
                self._processor.role_arn,
                self._migrations.role_arn,
                *([self._replay.role_arn] if self._replay else []),
            ],
            written_objects_arns=[
                self._archive.objects_arn,
                self._quarantine.records_arn,
                self._quarantine.survivors_arn,
            ],
            listed_bucket_arns=[self._quarantine.bucket_arn],
            read_objects_arns=[self._archive.objects_arn] if self._replay else [],
            read_secret_arns=[
                self._database.admin_secret_arn,
                self._writer.secret_arn,
                self._reader.secret_arn,
            ],
        )

    def _create_access(self) -> None:
        """Create what suppliers, the shop and operators need."""
        self._suppliers = SupplierAccess(self, "Suppliers", config=self._config, stream=self._stream)
        self._shop = ShopAccess(
            self,
            "Shop",
            config=self._config,
            network=self._network,
            endpoints=self._endpoints,
            database=self._database,
            credentials=self._reader,
            cache=self._cache,
        )
        parameter = EnvironmentParameter(
            self,
            "Environment",
            config=self._config,
            stream=self._stream,
            archive=self._archive,
            queries=self._queries,
            quarantine=self._quarantine,
            processor=self._processor,
            database=self._database,
            writer=self._writer,
            reader=self._reader,
            cache=self._cache,
        )
        self._operators = OperatorAccess(
            self,
            "Operators",
            config=self._config,
            parameter=parameter,
            stream=self._stream,
            archive=self._archive,
            queries=self._queries,
            quarantine=self._quarantine,
            processor=self._processor,
            writer=self._writer,
            reader=self._reader,
            cache=self._cache,
            replay=self._replay,
        )

    def _create_monitoring(self) -> None:
        watched = Watched(
            stream_name=self._stream.name,
            function_name=self._processor.name,
            migrations_name=self._migrations.name,
            mapping_uuid=self._event_source.uuid,
            queue_name=self._quarantine.queue_name,
            database_identifier=self._database.identifier,
            cache_node_ids=self._cache.node_ids,
        )
        self._alarms = Alarms(
            self, "Alarms", config=self._config, watched=watched, account_id=self._account_id
        )
        self._dashboard = Dashboard(
            self, "Dashboard", config=self._config, watched=watched, alarm_arns=self._alarms.alarm_arns
        )

    def _place_roles(self, deployment: Deployment) -> None:
        """Bound every role, and put roles and policies into the path of the deployment."""
        for node in self.node.find_all():
            if isinstance(node, IamRole) and deployment.permissions_boundary is not None:
                node.permissions_boundary = deployment.permissions_boundary
            if isinstance(node, IamRole | IamPolicy) and deployment.role_path is not None:
                node.path = deployment.role_path

    def _create_outputs(self) -> None:
        # The ids of outputs and constructs share one namespace.
        outputs: tuple[tuple[str, str | list[str] | None, str], ...] = (
            ("KinesisStreamName", self._stream.name, "Kinesis stream for inventory updates"),
            ("DatabaseEndpoint", self._database.host, "Host of the catalog's PostgreSQL"),
            ("RedisEndpoint", self._cache.host, "Host of the cache's primary"),
            ("ArchiveBucket", self._archive.bucket_name, "S3 bucket of the archive"),
            ("ArchiveDatabase", self._queries.database_name, "Glue database of the archive's tables"),
            ("ArchiveWorkgroup", self._queries.workgroup_name, "Athena workgroup for queries of the archive"),
            (
                "QuarantineBucket",
                self._quarantine.bucket_name,
                "S3 bucket of rejected records and failed batches",
            ),
            ("FailedBatchQueueUrl", self._quarantine.queue_url, "Queue of failed batches"),
            ("ProcessorFunctionName", self._processor.name, "Function that processes batches"),
            ("MigrationsFunctionName", self._migrations.name, "Function that migrates the schema"),
            ("EventSourceMappingId", self._event_source.uuid, "Event source mapping of the stream"),
            (
                "AdministratorSecretArn",
                self._database.admin_secret_arn,
                "Login of the database's administrator",
            ),
            ("ProcessorSecretArn", self._writer.secret_arn, "Login of the processor's database role"),
            ("ReaderSecretArn", self._reader.secret_arn, "Login of the shop's database role"),
            ("ProducerPolicyArn", self._suppliers.policy_arn, "Policy for roles that put updates"),
            ("ShopPolicyArn", self._shop.policy_arn, "Policy for the shop's role"),
            ("OperatorReadPolicyArn", self._operators.read_arn, "Policy for roles that look, with `catalog`"),
            ("OperatorRedrivePolicyArn", self._operators.redrive_arn, "Policy for roles that redrive"),
            ("OperatorReplayPolicyArn", self._operators.replay_arn, "Policy for roles that replay"),
            ("ShopSecurityGroupId", self._shop.security_group.id, "Security group for the shop's service"),
            (
                "CacheClusterId",
                self._cache.cluster_id,
                "Cluster id for which IAM logins to the cache are signed",
            ),
            ("ShopCacheUser", self._cache.shop.name, "The shop's user of the cache"),
            ("AlarmTopicArn", self._alarms.topic_arn, "Topic that alarms notify"),
            ("DashboardName", self._dashboard.dashboard_name, "CloudWatch dashboard"),
            ("VpcId", self._network.vpc_id, "VPC of database, cache and functions"),
            # As expressions, since a Python list makes cdktf 0.21 print a warning of Node.
            (
                "PrivateSubnetIds",
                Fn.tolist(self._network.private_subnet_ids),
                "Private subnets, one per zone",
            ),
            (
                "PrivateRouteTableIds",
                Fn.tolist(self._network.private_route_table_ids),
                "Route tables of the private subnets",
            ),
            ("DatabaseSecurityGroupId", self._database.listener.group_id, "Security group of the database"),
            ("CacheSecurityGroupId", self._cache.listener.group_id, "Security group of the cache"),
        )
        if self._replay is not None:
            arn = self._replay.state_machine_arn
            outputs = (*outputs, ("ReplayStateMachineArn", arn, "State machine that replays the archive"))
        for id_, value, description in outputs:
            TerraformOutput(self, id_, value=value, description=description)

    def _configure_backend(self, deployment: Deployment) -> None:
        if deployment.state_bucket is None:
            # Terraform runs in cdktf.out/stacks/<stack>, which every synth recreates. cdktf's own default is
            # an absolute path, different on every machine.
            LocalBackend(self, path=f"../../../terraform.{self._config.stack_id}.tfstate")
            return
        backend = S3Backend(
            self,
            bucket=deployment.state_bucket,
            key=f"product-catalog/{self._config.stack_id}.tfstate",
            region=deployment.state_region or self._config.region,
            encrypt=True,
        )
        # cdktf 0.21 supports only locks in DynamoDB, which Terraform has deprecated.
        backend.add_override("use_lockfile", True)  # noqa: FBT003

    def _configure_provider(self, deployment: Deployment) -> None:
        AwsProvider(
            self,
            "Aws",
            region=self._config.region,
            allowed_account_ids=None if deployment.account_id is None else [deployment.account_id],
            default_tags=[
                AwsProviderDefaultTags(
                    tags={
                        "Project": "product-catalog",
                        "Environment": self._config.name,
                        "ManagedBy": "cdktf",
                        **self._config.tags,
                    }
                )
            ],
        )
        self.add_override("terraform.required_version", TERRAFORM_VERSIONS)
        self.add_override(
            "terraform.required_providers.aws.version",
            WIDE_PROVIDER_VERSIONS if deployment.wide_provider_versions else PROVIDER_VERSION,
        )
