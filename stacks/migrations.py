"""The function that brings the schema, the database's roles and their passwords up to date on each deploy."""

from cdktf_cdktf_provider_aws.lambda_invocation import LambdaInvocation
from constructs import Construct

from stacks.code_assets import CodeAssets
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import DATABASE_NAME, POSTGRES_PORT, Database
from stacks.encryption import decrypt_secrets
from stacks.endpoints import Endpoints
from stacks.function import PrivateFunction
from stacks.network import Network
from stacks.policies import allow

HANDLER = "processor.migrate.handler"
# A migration waits for a lock for at most 5 s, but building an index, say, may take a while.
_TIMEOUT_SECONDS = 300
_MEMORY_MB = 512


class Migrations(Construct):
    """A function that Terraform invokes when the code, a password or the database has changed.

    Nothing else logs in as the administrator. It runs in the private network, since the database is there.

    `name`, `role_arn`: the function's. `invocation`: whatever needs the schema must depend on it.
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
        database: Database,
        writer: Credentials,
        reader: Credentials,
    ) -> None:
        super().__init__(scope, id_)
        secrets = {
            "DB_ADMIN_SECRET_ARN": database.admin_secret_arn,
            "DB_SECRET_ARN": writer.secret_arn,
            "DB_READER_SECRET_ARN": reader.secret_arn,
        }
        function = PrivateFunction(
            self,
            "Private",
            config=config,
            network=network,
            endpoints=endpoints,
            code_assets=code_assets,
            base_name="inventory-migrations",
            handler=HANDLER,
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=_MEMORY_MB,
            reserved_concurrency=None,
            environment={
                **secrets,
                "DB_HOST": database.host,
                "DB_PORT": str(POSTGRES_PORT),
                "DB_NAME": DATABASE_NAME,
                "DB_TLS": "verify-full",
            },
            statements=[
                allow("ReadLogins", ["secretsmanager:GetSecretValue"], list(secrets.values())),
                *decrypt_secrets(config, list(secrets.values())),
            ],
            connects_to=[endpoints.secrets, database.listener],
        )
        self.name = function.name
        self.role_arn = function.role_arn
        self.invocation = LambdaInvocation(
            self,
            "Invocation",
            function_name=function.name,
            input="{}",
            # Any change recreates this resource, and creating it invokes the function.
            triggers={
                "code": code_assets.code_hash,
                "writer": writer.version_id,
                "reader": reader.version_id,
                "database": database.resource_id,
            },
        )
