"""The bucket where rejected records and failed batches wait for a person, and a queue of failed batches."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.s3_bucket_notification import (
    S3BucketNotification,
    S3BucketNotificationQueue,
)
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_policy import SqsQueuePolicy
from constructs import Construct

from stacks.bucket import PrivateBucket, expiry_rules
from stacks.config.environments import Environment
from stacks.policies import allow_service, arn_equals, deny_plain_http, document, equals

QUARANTINE_PREFIX = "quarantine/"
SURVIVORS_PREFIX = "survivors/"
"""Objects that record who survived processing a record alone, when the database could not be written to."""
FAILED_BATCHES_PREFIX = "aws/lambda/"
"""Chosen by Lambda: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
OPERATIONS_PREFIX = "operations/"
"""Objects in which the operators' program writes down what it changed."""
QUEUE_RETENTION_SECONDS = 14 * 24 * 60 * 60


class Quarantine(Construct):
    """A bucket, and a queue that gets a message for each failed batch in it.

    The bucket is authoritative; the queue only points at its objects, for 14 days. S3 also sends the queue
    one `s3:TestEvent` when the notification is created, which does not stand for a batch.

    `bucket_name`, `bucket_arn`, `queue_name`, `queue_arn`, `queue_url`: the bucket's and the queue's.
    `records_arn`, `survivors_arn`: objects that the processor writes. `failed_batches_arn`: objects that
    Lambda writes. `operations_arn`: objects that operators write. `notification`: must exist before the first
    batch can fail.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, account_id: str) -> None:
        super().__init__(scope, id_)
        bucket = PrivateBucket(
            self,
            "Private",
            name=config.global_name("inventory-quarantine", account_id=account_id),
            removal=config.removal,
            encryption_key_arn=config.encryption_key_arn,
        )
        self.bucket_name = bucket.name
        self.bucket_arn = bucket.arn
        self.records_arn = f"{bucket.arn}/{QUARANTINE_PREFIX}*"
        self.survivors_arn = f"{bucket.arn}/{SURVIVORS_PREFIX}*"
        self.failed_batches_arn = f"{bucket.arn}/{FAILED_BATCHES_PREFIX}*"
        self.operations_arn = f"{bucket.arn}/{OPERATIONS_PREFIX}*"
        # Few objects come here, so they stay in the storage class that can be read without delay.
        bucket.add_lifecycle_rules(
            expiry_rules(
                expiry_days=config.quarantine.expiry_days,
                noncurrent_days=config.quarantine.noncurrent_days,
                incomplete_upload_days=config.quarantine.incomplete_upload_days,
            )
        )
        queue = SqsQueue(
            self,
            "Queue",
            name=config.physical_name("inventory-processor-dlq"),
            message_retention_seconds=QUEUE_RETENTION_SECONDS,
            # With the one, the provider accepts no value of the other.
            sqs_managed_sse_enabled=None if config.encryption_key_arn else True,
            kms_master_key_id=config.encryption_key_arn,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        self.queue_name, self.queue_arn, self.queue_url = queue.name, queue.arn, queue.url
        policy = self._allow_the_bucket_to_send(bucket, queue, account_id)
        self.notification = S3BucketNotification(
            self,
            "Notification",
            bucket=bucket.bucket.id,
            queue=[
                S3BucketNotificationQueue(
                    id="failed-batches",
                    queue_arn=queue.arn,
                    events=["s3:ObjectCreated:*"],
                    filter_prefix=FAILED_BATCHES_PREFIX,
                )
            ],
            # S3 tests the queue, and refuses one that it may not send to.
            depends_on=[policy],
        )

    def _allow_the_bucket_to_send(
        self, bucket: PrivateBucket, queue: SqsQueue, account_id: str
    ) -> SqsQueuePolicy:
        # A bucket's ARN names no account, and the name of a deleted bucket is free for others.
        from_our_bucket = [arn_equals("aws:SourceArn", bucket.arn), equals("aws:SourceAccount", account_id)]
        access = document(
            self,
            "QueueAccess",
            [
                allow_service(
                    "BucketSends", "s3.amazonaws.com", ["sqs:SendMessage"], [queue.arn], from_our_bucket
                ),
                deny_plain_http(["sqs:*"], [queue.arn]),
            ],
        )
        return SqsQueuePolicy(self, "QueuePolicy", queue_url=queue.url, policy=access)
