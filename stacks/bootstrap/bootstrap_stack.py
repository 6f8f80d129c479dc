"""What must exist before the first deploy from a workflow: the state's bucket, and the roles that deploy.

Its own state is a file beside `main.py`: nothing else can hold it yet. Losing that file loses nothing that
`terraform import` does not bring back; see docs/deploying.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import LocalBackend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.iam_openid_connect_provider import IamOpenidConnectProvider
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from constructs import Construct

from stacks.bootstrap.deploy_roles import DeployRoles, FunctionBoundary
from stacks.bucket import PrivateBucket, refuse_customer_provided_keys
from stacks.catalog_stack import TERRAFORM_VERSIONS
from stacks.config.environments import BOOTSTRAP, Environment
from stacks.config.settings import Removal
from stacks.provider_binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS

STACK_ID = f"{BOOTSTRAP}-stack"
ISSUER = "token.actions.githubusercontent.com"

# How long an earlier state, and a plan that nobody applied, can still be read.
_EARLIER_STATE_DAYS = 365
_PLAN_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """The settings of the bootstrap stack.

    `repository`: the one whose workflows may deploy, as in the subject of its tokens (`owner/name`, or with
    the ids that GitHub adds to both names); None: no roles.
    `role_path`: where in IAM all roles and policies are, such as `/team/`; None: `/`.
    `permissions_boundary`: the ARN of the policy that bounds every role; None: the stack makes one for the
    functions' roles, and nothing bounds its own.
    `creates_issuer`: False where the account has GitHub's identity provider; it can have only one.
    """

    account_id: str
    state_bucket: str
    state_region: str
    repository: str | None
    role_path: str | None
    permissions_boundary: str | None
    creates_issuer: bool
    wide_provider_versions: bool


class BootstrapStack(TerraformStack):
    """The state's bucket, and for each environment a role that plans and a role that deploys."""

    def __init__(self, scope: Construct, *, config: Bootstrap, environments: Sequence[Environment]) -> None:
        super().__init__(scope, STACK_ID)
        # Terraform runs in cdktf.out/stacks/<stack>, as in CatalogStack.
        LocalBackend(self, path=f"../../../terraform.{STACK_ID}.tfstate")
        self._configure_provider(config, environments)
        bucket = PrivateBucket(
            self, "State", name=config.state_bucket, removal=Removal.NEVER, encryption_key_arn=None
        )
        bucket.add_lifecycle_rules(_lifecycle_rules())
        if not config.wide_provider_versions:
            refuse_customer_provided_keys(self)
        TerraformOutput(
            self, "StateBucket", value=bucket.name, description="S3 bucket of the Terraform state"
        )
        boundary_arn = config.permissions_boundary or self._create_boundary(config, environments)
        TerraformOutput(
            self,
            "PermissionsBoundaryArn",
            value=boundary_arn,
            description="Permissions boundary of the functions' roles",
        )
        if config.repository is not None:
            self._create_roles(config, config.repository, bucket, boundary_arn, environments)

    def _create_boundary(self, config: Bootstrap, environments: Sequence[Environment]) -> str:
        """Create the boundary of the functions' roles, and return its ARN."""
        key_arns = {each.encryption_key_arn for each in environments if each.encryption_key_arn}
        return FunctionBoundary(
            self,
            "FunctionBoundary",
            account_id=config.account_id,
            role_path=config.role_path,
            key_arns=sorted(key_arns),
        ).arn

    def _create_roles(
        self,
        config: Bootstrap,
        repository: str,
        bucket: PrivateBucket,
        boundary_arn: str,
        environments: Sequence[Environment],
    ) -> None:
        issuer_arn = f"arn:aws:iam::{config.account_id}:oidc-provider/{ISSUER}"
        if config.creates_issuer:
            issuer_arn = IamOpenidConnectProvider(
                self, "Issuer", url=f"https://{ISSUER}", client_id_list=["sts.amazonaws.com"]
            ).arn
        for environment in environments:
            DeployRoles(
                self,
                environment.name,
                config=environment,
                account_id=config.account_id,
                role_path=config.role_path,
                bucket_arn=bucket.arn,
                boundary_arn=boundary_arn,
                issuer=ISSUER,
                issuer_arn=issuer_arn,
                repository=repository,
            )
        for node in self.node.find_all():
            if isinstance(node, IamRole) and config.permissions_boundary is not None:
                node.permissions_boundary = config.permissions_boundary

    def _configure_provider(self, config: Bootstrap, environments: Sequence[Environment]) -> None:
        # This stack is everybody's, so of the team's tags it has those that do not differ.
        shared = set.intersection(*({*environment.tags.items()} for environment in environments))
        AwsProvider(
            self,
            "Aws",
            region=config.state_region,
            allowed_account_ids=[config.account_id],
            default_tags=[
                AwsProviderDefaultTags(
                    tags={"Project": "product-catalog", "ManagedBy": "cdktf", **dict(sorted(shared))}
                )
            ],
        )
        self.add_override("terraform.required_version", TERRAFORM_VERSIONS)
        self.add_override(
            "terraform.required_providers.aws.version",
            WIDE_PROVIDER_VERSIONS if config.wide_provider_versions else PROVIDER_VERSION,
        )


def _lifecycle_rules() -> list[S3BucketLifecycleConfigurationRule]:
    return [
        S3BucketLifecycleConfigurationRule(
            id="earlier-states",
            status="Enabled",
            filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="product-catalog/")],
            noncurrent_version_expiration=[
                S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                    noncurrent_days=_EARLIER_STATE_DAYS
                )
            ],
        ),
        S3BucketLifecycleConfigurationRule(
            id="plans",
            status="Enabled",
            filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="plans/")],
            expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=_PLAN_DAYS)],
            noncurrent_version_expiration=[
                S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=1)
            ],
        ),
    ]
