"""One environment's stack: composes the parts and owns no resource."""

from dataclasses import dataclass

from cdktf import LocalBackend, S3Backend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from stacks.archive import Archive
from stacks.binding import PROVIDER_VERSION
from stacks.environments import Environment
from stacks.stream import InventoryStream

WIDE_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""What our output is valid on, for machines that have another provider than the binding's."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What depends on who deploys and from where, not on the environment.

    `account_id`: the only account that Terraform may touch; None: whichever the credentials belong to.
    `state_bucket`: keeps the Terraform state; None: a file in the project's folder keeps it.
    `state_region`: the state bucket's; None: the stack's.
    `wide_provider_versions`: accept `WIDE_PROVIDER_VERSIONS` instead of the binding's own version alone.
    """

    account_id: str | None
    state_bucket: str | None
    state_region: str | None
    wide_provider_versions: bool


class CatalogStack(TerraformStack):
    """Everything an environment deploys."""

    def __init__(self, scope: Construct, id_: str, *, config: Environment, deployment: Deployment) -> None:
        super().__init__(scope, id_)
        self._keep_state(config, deployment)
        self._use_aws(config, deployment)
        account_id = DataAwsCallerIdentity(self, "Account").account_id

        stream = InventoryStream(self, "Stream", config=config)
        archive = Archive(self, "Archive", config=config, account_id=account_id)

        # An output's id shares one namespace with the constructs'.
        TerraformOutput(
            self, "KinesisStreamName", value=stream.name, description="Kinesis stream for inventory updates"
        )
        TerraformOutput(
            self, "ArchiveBucket", value=archive.bucket_name, description="S3 bucket of the archive"
        )

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
        self.add_override(
            "terraform.required_providers.aws.version",
            WIDE_PROVIDER_VERSIONS if deployment.wide_provider_versions else PROVIDER_VERSION,
        )
