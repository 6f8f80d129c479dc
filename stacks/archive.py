"""The bucket that proves for three years what suppliers sent us, and when."""

from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleTransition,
)
from cdktf_cdktf_provider_aws.s3_bucket_object_lock_configuration import (
    S3BucketObjectLockConfigurationA,
    S3BucketObjectLockConfigurationRuleA,
    S3BucketObjectLockConfigurationRuleDefaultRetentionA,
)
from constructs import Construct

from stacks.bucket import PrivateBucket, expiry_rules
from stacks.config.environments import Environment
from stacks.config.settings import ArchiveSettings, ObjectLock

ARCHIVE_PREFIX = "inventory/"


class Archive(Construct):
    """A bucket whose objects move to cheaper storage classes with age, then expire.

    `bucket_name`, `bucket_arn`: the bucket's. `objects_arn`: all objects that the processor writes.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, account_id: str) -> None:
        super().__init__(scope, id_)
        lock = config.archive.object_lock
        bucket = PrivateBucket(
            self,
            "Private",
            name=config.global_name("product-inventory-archive", account_id=account_id),
            removal=config.removal,
            encryption_key_arn=config.encryption_key_arn,
            lockable=lock is not None,
        )
        self.bucket_name = bucket.name
        self.bucket_arn = bucket.arn
        self.objects_arn = f"{bucket.arn}/{ARCHIVE_PREFIX}*"
        if lock is not None:
            self._lock(bucket, lock)
        bucket.add_lifecycle_rules(lifecycle_rules(config.archive))

    def _lock(self, bucket: PrivateBucket, lock: ObjectLock) -> None:
        S3BucketObjectLockConfigurationA(
            self,
            "Lock",
            bucket=bucket.bucket.id,
            rule=S3BucketObjectLockConfigurationRuleA(
                default_retention=S3BucketObjectLockConfigurationRuleDefaultRetentionA(
                    mode=lock.mode, days=lock.days
                )
            ),
            depends_on=[bucket.versioning],
        )


def lifecycle_rules(settings: ArchiveSettings) -> list[S3BucketLifecycleConfigurationRule]:
    """Return the lifecycle rules by which objects change storage class, expire and are permanently deleted.

    The size filter takes precedence over S3's default minimum of 128 KiB
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html).
    It filters transitions only: an object too small to change storage class still expires.
    """
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
        *expiry_rules(
            expiry_days=settings.expiry_days,
            noncurrent_days=settings.noncurrent_days,
            incomplete_upload_days=settings.incomplete_upload_days,
        ),
    ]
