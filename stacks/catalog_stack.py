"""One environment's stack: composes the parts and owns no resource."""

from dataclasses import dataclass

from cdktf import LocalBackend, S3Backend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from stacks.access import ShopAccess, SupplierAccess
from stacks.archive import Archive
from stacks.binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS
from stacks.cache import Cache
from stacks.code_assets import BuiltPackages, Packages
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import Database
from stacks.endpoints import Endpoints
from stacks.event_source import EventSource
from stacks.invalidation_drain import Drain
from stacks.inventory_processor import InventoryProcessor
from stacks.migrations import Migrations
from stacks.monitoring.alarms import Alarms, Watched
from stacks.monitoring.dashboard import Dashboard
from stacks.network import Network
from stacks.quarantine import Quarantine
from stacks.stream import InventoryStream

TERRAFORM_VERSIONS = ">= 1.11"
"""From where on Terraform knows write-only arguments, which keep passwords out of its state."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What depends on who deploys and from where, not on the environment.

    `account_id`: the only account that Terraform may touch; None: whichever the credentials belong to.
    `state_bucket`: keeps the Terraform state; None: a file in the project's folder keeps it.
    `state_region`: the state bucket's; None: the stack's.
    `wide_provider_versions`: accept `WIDE_PROVIDER_VERSIONS` instead of the binding's own version alone.
    `packages`: what Lambda will run.
    """

    account_id: str | None
    state_bucket: str | None
    state_region: str | None
    wide_provider_versions: bool
    packages: BuiltPackages


class CatalogStack(TerraformStack):
    """Everything an environment deploys."""

    def __init__(self, scope: Construct, id_: str, *, config: Environment, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        self._keep_state(config, deployment)
        self._use_aws(config, deployment)
        account_id = DataAwsCallerIdentity(self, "Account").account_id
        packages = Packages(self, "Packages", config=config, built=deployment.packages)

        stream = InventoryStream(self, "Stream", config=config)
        archive = Archive(self, "Archive", config=config, account_id=account_id)
        quarantine = Quarantine(self, "Quarantine", config=config, account_id=account_id)

        network = Network(self, "Network", config=config)
        database = Database(self, "Database", config=config, network=network)
        writer = Credentials(
            self,
            "Writer",
            config=config,
            name="product-catalog-db-credentials",
            username="inventory_processor",
            database=database,
        )
        reader = Credentials(
            self,
            "Reader",
            config=config,
            name="product-catalog-db-reader",
            username="product_shop",
            database=database,
        )
        cache = Cache(self, "Cache", config=config, network=network)
        endpoints = Endpoints(
            self,
            "Endpoints",
            config=config,
            network=network,
            account_id=account_id,
            written_objects_arns=[archive.objects_arn, quarantine.records_arn, quarantine.survivors_arn],
            listed_bucket_arns=[quarantine.bucket_arn],
            read_secret_arns=[database.admin_secret_arn, writer.secret_arn, reader.secret_arn],
        )

        migrations = Migrations(
            self,
            "Migrations",
            config=config,
            network=network,
            endpoints=endpoints,
            packages=packages,
            database=database,
            writer=writer,
            reader=reader,
        )
        processor = InventoryProcessor(
            self,
            "Processor",
            config=config,
            network=network,
            endpoints=endpoints,
            packages=packages,
            stream=stream,
            archive=archive,
            quarantine=quarantine,
            database=database,
            credentials=writer,
            cache=cache,
            migrations=migrations,
        )
        event_source = EventSource(
            self, "EventSource", config=config, stream=stream, processor=processor, quarantine=quarantine
        )
        Drain(self, "Drain", config=config, processor=processor)

        suppliers = SupplierAccess(self, "Suppliers", config=config, stream=stream)
        shop = ShopAccess(
            self,
            "Shop",
            config=config,
            network=network,
            endpoints=endpoints,
            database=database,
            credentials=reader,
            cache=cache,
        )

        watched = Watched(
            stream_name=stream.name,
            function_name=processor.name,
            mapping_uuid=event_source.uuid,
            queue_name=quarantine.queue_name,
            database_identifier=database.identifier,
            cache_node_ids=cache.node_ids,
        )
        alarms = Alarms(self, "Alarms", config=config, watched=watched, account_id=account_id)
        dashboard = Dashboard(self, "Dashboard", config=config, watched=watched, alarm_arns=alarms.alarm_arns)

        # An output's id shares one namespace with the constructs'.
        for id_, value, description in (
            ("KinesisStreamName", stream.name, "Kinesis stream for inventory updates"),
            ("DatabaseEndpoint", database.host, "Host of the catalog's PostgreSQL"),
            ("RedisEndpoint", cache.host, "Host of the cache's primary"),
            ("ArchiveBucket", archive.bucket_name, "S3 bucket of the archive"),
            ("QuarantineBucket", quarantine.bucket_name, "S3 bucket of rejected records and failed batches"),
            ("FailedBatchQueueUrl", quarantine.queue_url, "Queue that points at failed batches"),
            ("ProcessorFunctionName", processor.name, "Function that processes batches"),
            ("MigrationsFunctionName", migrations.name, "Function that migrates the schema"),
            ("EventSourceMappingId", event_source.uuid, "Event source mapping of the stream"),
            ("AdministratorSecretArn", database.admin_secret_arn, "Login of the database's administrator"),
            ("ProcessorSecretArn", writer.secret_arn, "Login of the processor's database role"),
            ("ReaderSecretArn", reader.secret_arn, "Login of the shop's database role"),
            ("ProducerPolicyArn", suppliers.policy_arn, "Policy for roles that put updates"),
            ("ShopPolicyArn", shop.policy_arn, "Policy for the shop's role"),
            ("ShopSecurityGroupId", shop.security_group.id, "Security group for the shop's service"),
            ("CacheClusterId", cache.cluster_id, "What IAM logins to the cache are signed for"),
            ("ShopCacheUser", cache.shop.name, "The shop's user of the cache"),
            ("AlarmTopicArn", alarms.topic_arn, "Topic that alarms are told to"),
            ("DashboardName", dashboard.dashboard_name, "CloudWatch dashboard"),
        ):
            TerraformOutput(self, id_, value=value, description=description)

    def _keep_state(self, config: Environment, deployment: Deployment) -> None:
        if deployment.state_bucket is None:
            # Terraform runs in cdktf.out/stacks/<stack>, which every synth makes anew; cdktf's own default is
            # an absolute path, different on every machine.
            LocalBackend(self, path=f"../../../terraform.{config.stack_id}.tfstate")
            return
        backend = S3Backend(
            self,
            bucket=deployment.state_bucket,
            key=f"product-catalog/{config.stack_id}.tfstate",
            region=deployment.state_region or config.region,
            encrypt=True,
        )
        # cdktf 0.21 knows only locks in DynamoDB, which Terraform has deprecated.
        backend.add_override("use_lockfile", True)  # noqa: FBT003

    def _use_aws(self, config: Environment, deployment: Deployment) -> None:
        AwsProvider(
            self,
            "Aws",
            region=config.region,
            allowed_account_ids=None if deployment.account_id is None else [deployment.account_id],
            default_tags=[
                AwsProviderDefaultTags(
                    tags={"Project": "product-catalog", "Environment": config.name, "ManagedBy": "cdktf"}
                )
            ],
        )
        self.add_override("terraform.required_version", TERRAFORM_VERSIONS)
        self.add_override(
            "terraform.required_providers.aws.version",
            WIDE_PROVIDER_VERSIONS if deployment.wide_provider_versions else PROVIDER_VERSION,
        )
