"""A bucket that is private, encrypted, versioned and accessible over TLS only."""

from collections.abc import Callable, Sequence

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import (
    S3BucketOwnershipControls,
    S3BucketOwnershipControlsRule,
)
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)
from constructs import Construct

from stacks.config.settings import Removal
from stacks.policies import Statement, deny_plain_http, document


class PrivateBucket(Construct):
    """The bucket and what protects it.

    A function that uses another bucket needs it in its `statements` (such as `inventory_processor`'s) and in
    the S3 endpoint's policy (`Endpoints` in `catalog_stack`).

    `encryption_key_arn`: the key that encrypts new objects; None: S3's own.
    `allows`: given the bucket's ARN, returns what its policy allows to others.

    `name`, `arn`: the bucket's. `versioning`: the resource that anything about versions must depend on.
    `policy`: must exist before what it allows.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        removal: Removal,
        encryption_key_arn: str | None,
        lockable: bool = False,
        allows: Callable[[str], Sequence[Statement]] = lambda _arn: (),
    ) -> None:
        super().__init__(scope, id_)
        self.bucket = S3Bucket(
            self,
            "Bucket",
            bucket=name,
            force_destroy=removal is Removal.WITH_CONTENTS,
            object_lock_enabled=lockable,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=removal is Removal.NEVER),
        )
        self.name = self.bucket.bucket
        self.arn = self.bucket.arn
        self.versioning = S3BucketVersioningA(
            self,
            "Versioning",
            bucket=self.bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        self._encrypt(encryption_key_arn)
        self._make_private(self.bucket, allows(self.arn))

    def add_lifecycle_rules(self, rules: Sequence[S3BucketLifecycleConfigurationRule]) -> None:
        """Make objects change storage class, expire and be deleted by these lifecycle rules."""
        S3BucketLifecycleConfiguration(
            self,
            "Lifecycle",
            bucket=self.bucket.id,
            # No value here moves objects under 128 KiB to our two classes; a rule's size filter does.
            transition_default_minimum_object_size="all_storage_classes_128K",
            rule=list(rules),
            # Before versioning is enabled, rules on versions mean something else and may be refused.
            depends_on=[self.versioning],
        )

    def _encrypt(self, key_arn: str | None) -> None:
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "Encryption",
            bucket=self.bucket.id,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=(
                        S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                            sse_algorithm="aws:kms" if key_arn else "AES256", kms_master_key_id=key_arn
                        )
                    ),
                    # One request to KMS for many objects.
                    bucket_key_enabled=True if key_arn else None,
                )
            ],
        )

    def _make_private(self, bucket: S3Bucket, statements: Sequence[Statement]) -> None:
        S3BucketOwnershipControls(
            self,
            "Ownership",
            bucket=bucket.id,
            rule=S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced"),
        )
        public_access = S3BucketPublicAccessBlock(
            self,
            "PublicAccess",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        tls_only = deny_plain_http(["s3:*"], [bucket.arn, f"{bucket.arn}/*"])
        policy = document(self, "TlsOnly", [*statements, tls_only])
        # S3 refuses concurrent changes to one bucket's access (OperationAborted).
        self.policy = S3BucketPolicy(
            self, "Policy", bucket=bucket.id, policy=policy, depends_on=[public_access]
        )


def refuse_customer_provided_keys(scope: Construct) -> None:
    """Refuse keys that come with a request (SSE-C), as S3 does for new buckets since April 2026.

    Otherwise version 6.25 of the provider plans to remove what S3 has set, again and again:
    https://github.com/hashicorp/terraform-provider-aws/pull/47359. Version 5 lacks the argument.
    """
    for node in scope.node.find_all():
        if isinstance(node, S3BucketServerSideEncryptionConfigurationA):
            node.add_override("rule.0.blocked_encryption_types", ["SSE-C"])


def expiry_rules(
    *, expiry_days: int, noncurrent_days: int, incomplete_upload_days: int
) -> list[S3BucketLifecycleConfigurationRule]:
    """Return the lifecycle rules by which objects expire and are permanently deleted, leftovers too.

    Expiring makes a version noncurrent, which Object Lock allows; deleting that version waits for the lock
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html).
    """
    everything = [S3BucketLifecycleConfigurationRuleFilter(prefix="")]
    return [
        S3BucketLifecycleConfigurationRule(
            id="expiry",
            status="Enabled",
            filter=everything,
            expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=expiry_days)],
            noncurrent_version_expiration=[
                S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(noncurrent_days=noncurrent_days)
            ],
        ),
        # S3 accepts no age beside the clean-up of delete markers, hence a separate rule.
        S3BucketLifecycleConfigurationRule(
            id="leftovers",
            status="Enabled",
            filter=everything,
            expiration=[S3BucketLifecycleConfigurationRuleExpiration(expired_object_delete_marker=True)],
            abort_incomplete_multipart_upload=[
                S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                    days_after_initiation=incomplete_upload_days
                )
            ],
        ),
    ]
