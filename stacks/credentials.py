"""A database role's login in Secrets Manager; its password is never in Terraform's state.

To rotate the passwords, raise `database.credentials_version` in config/environments.py by one and deploy.
"""

import json

from cdktf import TerraformResourceLifecycle, TerraformStack
from cdktf_cdktf_provider_aws.secretsmanager_secret import SecretsmanagerSecret
from cdktf_cdktf_provider_aws.secretsmanager_secret_version import SecretsmanagerSecretVersion
from constructs import Construct

from stacks.config.environments import Environment
from stacks.database import DATABASE_NAME, POSTGRES_PORT, Database

_RANDOM_PASSWORD = "aws_secretsmanager_random_password"  # noqa: S105 the kind of resource
_PASSWORD_LENGTH = 32
# A deleted secret's name stays reserved for so long; with 0 days it is free immediately.
_RECOVERY_DAYS = 30


class Credentials(Construct):
    """The secret and its current version; the migrations function sets the role's password.

    The password is an ephemeral value, new at every plan, and is written only when
    `database.credentials_version` differs from the state's.

    `secret_arn`: the secret's. `version_id`: changes with the password.
    """

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, name: str, username: str, database: Database
    ) -> None:
        super().__init__(scope, id_)
        secret = SecretsmanagerSecret(
            self,
            "Secret",
            name=config.physical_name(name),
            description=f"Login of the database role {username}",
            kms_key_id=config.encryption_key_arn,
            recovery_window_in_days=_RECOVERY_DAYS if config.is_kept else 0,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        # cdktf 0.21 does not support ephemeral resources.
        password = f"{id_}Password"
        TerraformStack.of(self).add_override(
            f"ephemeral.{_RANDOM_PASSWORD}.{password}",
            {"password_length": _PASSWORD_LENGTH, "exclude_punctuation": True},
        )
        version = SecretsmanagerSecretVersion(
            self,
            "Version",
            secret_id=secret.id,
            secret_string_wo=json.dumps(
                {
                    "engine": "postgres",
                    "host": database.host,
                    "port": POSTGRES_PORT,
                    "dbname": DATABASE_NAME,
                    "username": username,
                    # Without punctuation, so that it needs no escapes inside this JSON.
                    "password": f"${{ephemeral.{_RANDOM_PASSWORD}.{password}.random_password}}",
                }
            ),
            secret_string_wo_version=config.database.credentials_version,
        )
        self.secret_arn = secret.arn
        self.version_id = version.version_id
