"""The bucket that proves for three years what suppliers told us, and when."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
)
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
    S3BucketLifecycleConfigurationRuleTransition,
)
from cdktf_cdktf_provider_aws.s3_bucket_object_lock_configuration import (
    S3BucketObjectLockConfigurationA,
    S3BucketObjectLockConfigurationRuleA,
    S3BucketObjectLockConfigurationRuleDefaultRetentionA,
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

from stacks.environments import ArchiveSettings, Environment, ObjectLock, Removal


class Archive(Construct):
    """A versioned, private, encrypted bucket whose objects grow cheaper with age, then expire.

    `bucket_name`, `bucket_arn`: the bucket's.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, account_id: str) -> None:
        super().__init__(scope, id_)
        lock = config.archive.object_lock
        bucket = S3Bucket(
            self,
            "Bucket",
            bucket=config.global_name("product-inventory-archive", account_id=account_id),
            force_destroy=config.removal is Removal.WITH_CONTENTS,
            object_lock_enabled=lock is not None,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.removal is Removal.NEVER),
        )
        self.bucket_name = bucket.bucket
        self.bucket_arn = bucket.arn

        versioning = S3BucketVersioningA(
            self,
            "Versioning",
            bucket=bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        self._make_private(bucket)
        if lock is not None:
            self._lock(bucket, versioning, lock)
        # Rules on versions mean something else, and may be refused, before versioning is on.
        S3BucketLifecycleConfiguration(
            self,
            "Lifecycle",
            bucket=bucket.id,
            # No value of this moves objects under 128 KiB to our two classes; the rule's size filter does.
            transition_default_minimum_object_size="all_storage_classes_128K",
            rule=lifecycle_rules(config.archive),
            depends_on=[versioning],
        )

    def _make_private(self, bucket: S3Bucket) -> None:
        S3BucketServerSideEncryptionConfigurationA(
            self,
            "Encryption",
            bucket=bucket.id,
            rule=[
                S3BucketServerSideEncryptionConfigurationRuleA(
                    apply_server_side_encryption_by_default=(
                        S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                            sse_algorithm="AES256"
                        )
                    )
                )
            ],
        )
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
        tls_only = DataAwsIamPolicyDocument(self, "TlsOnly", statement=[deny_plain_http(bucket)])
        # S3 refuses two changes of one bucket's access at the same time (OperationAborted).
        S3BucketPolicy(self, "Policy", bucket=bucket.id, policy=tls_only.json, depends_on=[public_access])

    def _lock(self, bucket: S3Bucket, versioning: S3BucketVersioningA, lock: ObjectLock) -> None:
        S3BucketObjectLockConfigurationA(
            self,
            "Lock",
            bucket=bucket.id,
            rule=S3BucketObjectLockConfigurationRuleA(
                default_retention=S3BucketObjectLockConfigurationRuleDefaultRetentionA(
                    mode=lock.mode, days=lock.days
                )
            ),
            depends_on=[versioning],
        )


def deny_plain_http(bucket: S3Bucket) -> DataAwsIamPolicyDocumentStatement:
    """Return the statement that refuses every request for the bucket made without TLS."""
    return DataAwsIamPolicyDocumentStatement(
        sid="TlsOnly",
        effect="Deny",
        actions=["s3:*"],
        resources=[bucket.arn, f"{bucket.arn}/*"],
        principals=[DataAwsIamPolicyDocumentStatementPrincipals(type="*", identifiers=["*"])],
        condition=[
            DataAwsIamPolicyDocumentStatementCondition(
                test="Bool", variable="aws:SecureTransport", values=["false"]
            )
        ],
    )


def lifecycle_rules(settings: ArchiveSettings) -> list[S3BucketLifecycleConfigurationRule]:
    """Return the rules by which objects change storage class, expire and are finally deleted.

    The size filter takes precedence over S3's default minimum of 128 KiB
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html).
    Only transitions are filtered by it: an object too small to move still expires. Expiring makes a version
    noncurrent, which Object Lock allows; deleting that version waits for the lock
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html).
    """
    everything = [S3BucketLifecycleConfigurationRuleFilter(prefix="")]
    return [
        S3BucketLifecycleConfigurationRule(
            id="tiering",
            status="Enabled",
            filter=[
                S3BucketLifecycleConfigurationRuleFilter(
                    object_size_greater_than=settings.tiering_above_bytes
                )
            ],
            transition=[
                S3BucketLifecycleConfigurationRuleTransition(
                    days=settings.intelligent_tiering_days, storage_class="INTELLIGENT_TIERING"
                ),
                S3BucketLifecycleConfigurationRuleTransition(
                    days=settings.glacier_instant_retrieval_days, storage_class="GLACIER_IR"
                ),
            ],
        ),
        S3BucketLifecycleConfigurationRule(
            id="expiry",
            status="Enabled",
            filter=everything,
            expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=settings.expiry_days)],
            noncurrent_version_expiration=[
                S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                    noncurrent_days=settings.noncurrent_days
                )
            ],
        ),
        # S3 takes no age beside the clean-up of delete markers, hence a rule of its own.
        S3BucketLifecycleConfigurationRule(
            id="leftovers",
            status="Enabled",
            filter=everything,
            expiration=[S3BucketLifecycleConfigurationRuleExpiration(expired_object_delete_marker=True)],
            abort_incomplete_multipart_upload=[
                S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                    days_after_initiation=settings.incomplete_upload_days
                )
            ],
        ),
    ]
