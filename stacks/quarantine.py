"""Where rejected records and failed batches wait for a person, and the queue that points at the latter."""

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
"""Who tried a record alone and lived, when the database could not be told."""
FAILED_BATCHES_PREFIX = "aws/lambda/"
"""Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
QUEUE_RETENTION_SECONDS = 14 * 24 * 60 * 60


class Quarantine(Construct):
    """A bucket, and a queue that gets a message for each failed batch put in it.

    The bucket is the truth; the queue, of 14 days, is a pointer. S3 sends it one `s3:TestEvent` when the
    notification is made, which stands for no batch.

    `bucket_name`, `bucket_arn`, `queue_name`, `queue_url`: what their names say.
    `records_arn`, `survivors_arn`: the processor's objects; `failed_batches_arn`: the Lambda service's.
    `notification`: what must be there before the first batch can fail.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, account_id: str) -> None:
        super().__init__(scope, id_)
        bucket = PrivateBucket(
            self,
            "Private",
            name=config.global_name("inventory-quarantine", account_id=account_id),
            removal=config.removal,
        )
        self.bucket_name = bucket.name
        self.bucket_arn = bucket.arn
        self.records_arn = f"{bucket.arn}/{QUARANTINE_PREFIX}*"
        self.survivors_arn = f"{bucket.arn}/{SURVIVORS_PREFIX}*"
        self.failed_batches_arn = f"{bucket.arn}/{FAILED_BATCHES_PREFIX}*"
        # Few objects come here, and stay where they can be read at once.
        bucket.keep_by(
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
            sqs_managed_sse_enabled=True,
        )
        self.queue_name = queue.name
        self.queue_url = queue.url
        policy = self._let_the_bucket_send(bucket, queue, account_id)
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
            # S3 tries the queue, and refuses one that it may not send to.
            depends_on=[policy],
        )

    def _let_the_bucket_send(self, bucket: PrivateBucket, queue: SqsQueue, account_id: str) -> SqsQueuePolicy:
        # A bucket's ARN names no account: once deleted, its name is free for others.
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
