"""The processor's function: its environment variables and its rights."""

from constructs import Construct

from stacks.archive import Archive
from stacks.cache import REDIS_PORT, Cache
from stacks.code_assets import CodeAssets
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import DATABASE_NAME, POSTGRES_PORT, Database
from stacks.encryption import decrypt_secrets, encrypt_objects
from stacks.endpoints import Endpoints
from stacks.function import PrivateFunction
from stacks.migrations import Migrations
from stacks.network import Network
from stacks.policies import allow
from stacks.quarantine import Quarantine
from stacks.stream import InventoryStream

HANDLER = "processor.handler.handler"


class InventoryProcessor(Construct):
    """The function that the event source mapping and the drain's schedule invoke.

    `name`, `arn`, `role_arn`: the function's. `rights`: the policy of its role, which Lambda checks when the
    event source mapping is created.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        network: Network,
        endpoints: Endpoints,
        code_assets: CodeAssets,
        stream: InventoryStream,
        archive: Archive,
        quarantine: Quarantine,
        database: Database,
        credentials: Credentials,
        cache: Cache,
        migrations: Migrations,
    ) -> None:
        super().__init__(scope, id_)
        function = PrivateFunction(
            self,
            "Private",
            config=config,
            network=network,
            endpoints=endpoints,
            code_assets=code_assets,
            base_name="inventory-processor",
            handler=HANDLER,
            timeout_seconds=config.function.timeout_seconds,
            memory_mb=config.function.memory_mb,
            reserved_concurrency=config.function.reserved_concurrency,
            environment=variables(config, archive, quarantine, database, credentials, cache),
            statements=[
                *stream.read_statements(),
                allow(
                    "WriteRecords",
                    ["s3:PutObject"],
                    [archive.objects_arn, quarantine.records_arn, quarantine.survivors_arn],
                ),
                # Lambda requires these two for the on-failure destination:
                # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
                allow("WriteFailedBatches", ["s3:PutObject"], [quarantine.failed_batches_arn]),
                *encrypt_objects(config, [archive.bucket_arn, quarantine.bucket_arn]),
                # The processor lists survivors.
                allow("ListQuarantine", ["s3:ListBucket"], [quarantine.bucket_arn]),
                allow("ReadLogin", ["secretsmanager:GetSecretValue"], [credentials.secret_arn]),
                *decrypt_secrets(config, [credentials.secret_arn]),
                cache.connect_statement(cache.processor),
            ],
            connects_to=[endpoints.s3, endpoints.secrets, database.listener, cache.listener],
            # So that new code finds the tables, roles and passwords that it expects.
            depends_on=[migrations.invocation],
        )
        self.name, self.arn, self.rights = function.name, function.arn, function.rights
        self.role_arn = function.role_arn


def variables(
    config: Environment,
    archive: Archive,
    quarantine: Quarantine,
    database: Database,
    credentials: Credentials,
    cache: Cache,
) -> dict[str, str]:
    """Return the environment variables with which the processor's code finds what is outside."""
    return {
        "ENVIRONMENT_SUFFIX": config.name,
        "ARCHIVE_BUCKET": archive.bucket_name,
        "QUARANTINE_BUCKET": quarantine.bucket_name,
        "DB_SECRET_ARN": credentials.secret_arn,
        "DB_HOST": database.host,
        "DB_PORT": str(POSTGRES_PORT),
        "DB_NAME": DATABASE_NAME,
        "DB_TLS": "verify-full",
        "DB_POOL_SIZE": str(config.function.pool_size),
        "REDIS_ENDPOINT": cache.host,
        "REDIS_PORT": str(REDIS_PORT),
        "REDIS_TLS": "true",
        "REDIS_AUTH": "iam",
        "REDIS_USERNAME": cache.processor.name,
        "REDIS_CLUSTER_ID": cache.cluster_id,
    }
