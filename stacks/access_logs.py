"""The bucket where S3 logs who read, wrote or deleted objects of the archive and of quarantine."""

from cdktf_cdktf_provider_aws.s3_bucket_logging import (
    S3BucketLoggingA,
    S3BucketLoggingTargetObjectKeyFormat,
    S3BucketLoggingTargetObjectKeyFormatPartitionedPrefix,
)
from constructs import Construct

from stacks.archive import Archive
from stacks.bucket import PrivateBucket, expiry_rules
from stacks.config.environments import Environment
from stacks.policies import Statement, allow_service, arn_equals, equals
from stacks.quarantine import Quarantine


class AccessLogs(Construct):
    """S3's server access logs of both buckets, or nothing where `logs.bucket_access_days` is None.

    S3 delivers them within hours and on a best-effort basis. CloudTrail's data events are complete, and are
    paid for per request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/logging-with-S3.html
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        account_id: str,
        archive: Archive,
        quarantine: Quarantine,
    ) -> None:
        super().__init__(scope, id_)
        days = config.logs.bucket_access_days
        if days is None:
            return
        sources: dict[str, Archive | Quarantine] = {"Archive": archive, "Quarantine": quarantine}
        source_arns = [source.bucket_arn for source in sources.values()]
        from_our_buckets = [
            arn_equals("aws:SourceArn", *source_arns),
            equals("aws:SourceAccount", account_id),
        ]

        def delivery(arn: str) -> list[Statement]:
            service = "logging.s3.amazonaws.com"
            return [allow_service("S3Delivers", service, ["s3:PutObject"], [f"{arn}/*"], from_our_buckets)]

        bucket = PrivateBucket(
            self,
            "Private",
            name=config.global_name("product-catalog-access", account_id=account_id),
            removal=config.removal,
            # S3 cannot deliver into a bucket that a KMS key encrypts:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
            encryption_key_arn=None,
            allows=delivery,
        )
        bucket.add_lifecycle_rules(
            expiry_rules(
                expiry_days=days,
                noncurrent_days=config.archive.noncurrent_days,
                incomplete_upload_days=config.archive.incomplete_upload_days,
            )
        )
        for name, source in sources.items():
            S3BucketLoggingA(
                self,
                f"Of{name}",
                bucket=source.bucket_name,
                target_bucket=bucket.name,
                target_prefix=f"{name.lower()}/",
                # Keys with the date of the requests, so that a day's are found without reading all.
                target_object_key_format=S3BucketLoggingTargetObjectKeyFormat(
                    partitioned_prefix=S3BucketLoggingTargetObjectKeyFormatPartitionedPrefix(
                        partition_date_source="EventTime"
                    )
                ),
                depends_on=[bucket.policy],
            )
