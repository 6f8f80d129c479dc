"""An emulated AWS account: the stream, buckets, queue and secrets, as the stacks create them."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import aioboto3
from aiobotocore.config import AioConfig

from local.servers import PostgresAddress, ValkeyAddress

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_secretsmanager import SecretsManagerClient
    from types_aiobotocore_sqs import SQSClient

REGION = "us-east-1"
FAILED_BATCHES_PREFIX = "aws/lambda/"
APPLICATION_ROLE = "inventory_processor"
READER_ROLE = "product_shop"


@dataclass(frozen=True, slots=True)
class Account:
    """Clients of the emulated services, and the names of the resources created there."""

    kinesis: "KinesisClient"
    s3: "S3Client"
    secrets: "SecretsManagerClient"
    stream_name: str
    stream_arn: str
    archive_bucket: str
    quarantine_bucket: str
    queue_url: str
    variables: dict[str, str]


@asynccontextmanager
async def open_account(
    endpoint_url: str,
    postgres: PostgresAddress,
    valkey: ValkeyAddress,
    *,
    suffix: str = "local",
    shards: int = 2,
    application_password: str,
) -> AsyncIterator[Account]:
    """Create the pipeline's resources in the emulator; yield them with the functions' environment variables.

    The variables are those of the processor and of the migrations function.
    """
    session = _session()
    config = AioConfig(s3={"addressing_style": "path"}, retries={"mode": "standard"})
    # The emulator speaks HTTP: without verify=False each client would read every root certificate.
    options: dict[str, Any] = {"endpoint_url": endpoint_url, "config": config, "verify": False}
    async with AsyncExitStack() as stack:
        kinesis = await stack.enter_async_context(session.client("kinesis", **options))
        s3 = await stack.enter_async_context(session.client("s3", **options))
        sqs = await stack.enter_async_context(session.client("sqs", **options))
        secrets = await stack.enter_async_context(session.client("secretsmanager", **options))
        stream_name = f"inventory-updates-{suffix}"
        await kinesis.create_stream(StreamName=stream_name, ShardCount=shards)
        described = await kinesis.describe_stream_summary(StreamName=stream_name)
        archive, quarantine = f"product-inventory-archive-{suffix}", f"inventory-quarantine-{suffix}"
        for bucket in (archive, quarantine):
            await s3.create_bucket(Bucket=bucket)
        queue_url = await _notify_queue_of_failed_batches(s3, sqs, quarantine, suffix)
        variables = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint_url,
            "ENVIRONMENT_SUFFIX": suffix,
            "ARCHIVE_BUCKET": archive,
            "QUARANTINE_BUCKET": quarantine,
            "REDIS_ENDPOINT": valkey.host,
            "REDIS_PORT": str(valkey.port),
            "REDIS_TLS": "false",
            "REDIS_AUTH": "none",
            "DB_HOST": postgres.host,
            "DB_PORT": str(postgres.port),
            "DB_NAME": postgres.database,
            "DB_TLS": "disable",
        } | await _make_secrets(secrets, postgres, suffix, application_password)
        yield Account(
            kinesis=kinesis,
            s3=s3,
            secrets=secrets,
            stream_name=stream_name,
            stream_arn=described["StreamDescriptionSummary"]["StreamARN"],
            archive_bucket=archive,
            quarantine_bucket=quarantine,
            queue_url=queue_url,
            variables=variables,
        )


@cache
def _session() -> aioboto3.Session:
    """Return the session of all accounts, which reads the descriptions of the services once."""
    return aioboto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
        region_name=REGION,
    )


async def _make_secrets(
    secrets: "SecretsManagerClient", postgres: PostgresAddress, suffix: str, application_password: str
) -> dict[str, str]:
    logins = {
        "DB_ADMIN_SECRET_ARN": (
            f"product-catalog-db-admin-{suffix}",
            {"username": postgres.user, "password": postgres.password},
        ),
        "DB_SECRET_ARN": (
            f"product-catalog-db-credentials-{suffix}",
            {"username": APPLICATION_ROLE, "password": application_password},
        ),
        "DB_READER_SECRET_ARN": (
            f"product-catalog-db-reader-{suffix}",
            {"username": READER_ROLE, "password": application_password},
        ),
    }
    arns = {}
    for variable, (name, login) in logins.items():
        made = await secrets.create_secret(Name=name, SecretString=json.dumps(login))
        arns[variable] = made["ARN"]
    return arns


async def _notify_queue_of_failed_batches(s3: "S3Client", sqs: "SQSClient", bucket: str, suffix: str) -> str:
    """Have S3 send a message to a queue for each object under the failed batches' prefix; return its URL."""
    url = (await sqs.create_queue(QueueName=f"inventory-processor-dlq-{suffix}"))["QueueUrl"]
    attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    await s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": attributes["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": FAILED_BATCHES_PREFIX}]}},
                }
            ]
        },
    )
    return url
