"""Secrets Manager: secrets that hold a JSON object, and the database login made of one."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from processor.adapters.aws_clients import SecretsManager
from processor.adapters.careful_aws import errors_of_botocore
from processor.adapters.postgres import Login, LoginSource
from processor.errors import DependencyError, SettingsError, reason_of
from processor.settings import DatabaseSettings

DEFAULT_POSTGRES_PORT = 5432


async def read_secret_text(client: SecretsManager, arn: str) -> str:
    """Return a secret's text. Raises: DependencyError if it cannot be read now, or has none."""
    try:
        response = await client.get_secret_value(SecretId=arn)
    except errors_of_botocore(
        "ClientError", "BotoCoreError", also=(OSError, ValueError, AttributeError, TypeError)
    ) as error:
        # The last three come from botocore's parsers when the endpoint is not Secrets Manager.
        raise DependencyError(f"secret {arn}: {reason_of(error)}") from error
    text: object = response.get("SecretString")
    if not isinstance(text, str) or not text:
        raise DependencyError(f"secret {arn} holds no text")
    return text


async def read_secret(client: SecretsManager, arn: str) -> dict[str, Any]:
    """Return the members of a secret's JSON object.

    Raises:
        DependencyError: the secret cannot be read now, or is not a JSON object (a rotation gone wrong).
    """
    members = _members(await read_secret_text(client, arn))
    if members is None:
        raise DependencyError(f"secret {arn} is not a JSON object; username and password are needed")
    return members


async def read_password(client: SecretsManager, arn: str) -> tuple[str, str] | tuple[str]:
    """Return user name and password, or only the password, of a secret that is a JSON object or the password.

    Raises: DependencyError.
    """
    text = await read_secret_text(client, arn)
    members = _members(text)
    if members is None:
        return (text,)
    password = member(members, arn, "password")
    return (str(members["username"]), password) if members.get("username") else (password,)


def member(secret: dict[str, Any], arn: str, name: str) -> str:
    """Return one text member of a secret. Raises: DependencyError."""
    value = secret.get(name)
    if not isinstance(value, str) or not value:
        raise DependencyError(f"secret {arn} holds no {name!r}")
    return value


def _members(text: str) -> dict[str, Any] | None:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def login_source(
    settings: DatabaseSettings, fetch_secret: Callable[[str], Awaitable[dict[str, object]]]
) -> LoginSource:
    """Return a source of the database's login; the environment variables win over the secret."""

    async def login() -> Login:
        secret = await fetch_secret(settings.secret_arn)
        host = settings.host or secret.get("host")
        name = settings.name or secret.get("dbname")
        if not isinstance(host, str):
            raise SettingsError("DB_HOST is missing, and the secret holds no 'host'")
        if not isinstance(name, str):
            raise SettingsError("DB_NAME is missing, and the secret holds no 'dbname'")
        port = settings.port or secret.get("port") or DEFAULT_POSTGRES_PORT
        if not str(port).isdigit():
            raise DependencyError(
                f"secret {settings.secret_arn}: 'port' is {port!r}; a whole number is accepted"
            )
        return Login(
            host=host,
            port=int(str(port)),
            database=name,
            user=member(secret, settings.secret_arn, "username"),
            password=member(secret, settings.secret_arn, "password"),
        )

    return login
