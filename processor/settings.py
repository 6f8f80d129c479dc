"""The environment variables as typed settings; an error names the variable that is wrong, in one line."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from processor.errors import SettingsError

RDS_ROOTS = Path(__file__).parent / "certificates" / "rds-roots.pem"
DEFAULT_POOL_SIZE = 2

_SUFFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_NOT_IN_A_HOST = re.compile(r"[\s:/@?#,\[\]]")
_ARN_REGION = re.compile(r"arn:[^:]+:secretsmanager:([^:]+):")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """Where the catalog is. A setting that is None is read from the secret; `ca_file` None disables TLS."""

    secret_arn: str
    host: str | None
    port: int | None
    name: str | None
    ca_file: Path | None
    pool_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSecret:
    """The secret with the cache's password."""

    secret_arn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisIamUser:
    """The cache's user as which the function logs in with its IAM role."""

    username: str
    cluster_id: str


RedisLogin: TypeAlias = RedisSecret | RedisIamUser | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSettings:
    """Where the cache is, and how to log in."""

    host: str
    port: int
    tls: bool
    login: RedisLogin


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings of the processor.

    `endpoint_url`: an emulator's, whose S3 is addressed by path; botocore itself reads where each service is.
    """

    database: DatabaseSettings
    redis: RedisSettings
    archive_bucket: str
    quarantine_bucket: str
    environment_suffix: str
    region: str
    endpoint_url: str | None


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Return the processor's settings.

    Raises:
        SettingsError: a variable is missing or wrong; the message names it.
    """
    suffix = _required(variables, "ENVIRONMENT_SUFFIX")
    if not _SUFFIX.fullmatch(suffix):
        raise SettingsError(
            f"ENVIRONMENT_SUFFIX is {suffix!r}; lower-case letters, digits and inner hyphens are accepted"
        )
    database = read_database_settings(variables, "DB_SECRET_ARN")
    return Settings(
        database=database,
        redis=_read_redis_settings(variables),
        archive_bucket=_bucket(variables, "ARCHIVE_BUCKET"),
        quarantine_bucket=_bucket(variables, "QUARANTINE_BUCKET"),
        environment_suffix=suffix,
        region=read_region(variables, "DB_SECRET_ARN"),
        endpoint_url=_url(variables, "AWS_ENDPOINT_URL_S3") or _url(variables, "AWS_ENDPOINT_URL"),
    )


def read_database_settings(variables: Mapping[str, str], secret_variable: str) -> DatabaseSettings:
    """Return where the catalog is; its credentials are in the secret that `secret_variable` names.

    Raises:
        SettingsError: a variable is missing or wrong; the message names it.
    """
    ca_file: Path | None = None
    if _one_of(variables, "DB_TLS", ("verify-full", "disable"), default="verify-full") == "verify-full":
        ca_file = Path(variables.get("DB_CA_FILE") or RDS_ROOTS)
        if not ca_file.is_file():
            raise SettingsError(
                f"DB_CA_FILE is {str(ca_file)!r}, which is not a file; a PEM file is accepted"
            )
    return DatabaseSettings(
        secret_arn=_required(variables, secret_variable),
        host=_host("DB_HOST", variables.get("DB_HOST", ""), "DB_PORT") or None,
        port=_number(variables, "DB_PORT", 1, 65535, default=None),
        name=variables.get("DB_NAME") or None,
        ca_file=ca_file,
        pool_size=_number(variables, "DB_POOL_SIZE", 1, 100, default=DEFAULT_POOL_SIZE) or DEFAULT_POOL_SIZE,
    )


def read_region(variables: Mapping[str, str], secret_variable: str) -> str:
    """Return the AWS region that Lambda sets, or else the one in the ARN that `secret_variable` holds.

    Raises:
        SettingsError: there is none in either.
    """
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if region := variables.get(name):
            if not _REGION.fullmatch(region):
                raise SettingsError(f"{name} is {region!r}; a region such as eu-central-1 is accepted")
            return region
    secret_arn = _required(variables, secret_variable)
    if found := _ARN_REGION.match(secret_arn):
        return found.group(1)
    raise SettingsError(
        f"AWS_REGION is missing, and {secret_variable} is {secret_arn!r}, not an ARN that contains it; "
        "the region of the secret and the buckets is accepted, or an ARN of Secrets Manager"
    )


def _read_redis_settings(variables: Mapping[str, str]) -> RedisSettings:
    tls = _one_of(variables, "REDIS_TLS", ("true", "false"), default="true") == "true"
    settings = RedisSettings(
        host=_host("REDIS_ENDPOINT", _required(variables, "REDIS_ENDPOINT"), "REDIS_PORT"),
        port=_number(variables, "REDIS_PORT", 1, 65535, default=6379) or 6379,
        tls=tls,
        login=_read_redis_login(variables),
    )
    if isinstance(settings.login, RedisIamUser) and not tls:
        raise SettingsError(
            "REDIS_TLS is 'false' and REDIS_AUTH is 'iam'; ElastiCache takes IAM over TLS only"
        )
    return settings


def _read_redis_login(variables: Mapping[str, str]) -> RedisLogin:
    match _one_of(variables, "REDIS_AUTH", ("none", "password", "iam"), default="none"):
        case "password":
            return RedisSecret(secret_arn=_required(variables, "REDIS_SECRET_ARN"))
        case "iam":
            return RedisIamUser(
                username=_required(variables, "REDIS_USERNAME"),
                cluster_id=_required(variables, "REDIS_CLUSTER_ID"),
            )
    return None


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value.strip():
        raise SettingsError(f"{name} is missing; the processor cannot start without it")
    return value


def _host(name: str, value: str, port_name: str) -> str:
    host = value.strip()
    if _NOT_IN_A_HOST.search(host) and not _is_ip_address(host):
        raise SettingsError(f"{name} is {value!r}; a host name is accepted, the port is {port_name}")
    return host


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _bucket(variables: Mapping[str, str], name: str) -> str:
    value = _required(variables, name)
    if not _BUCKET.fullmatch(value):
        raise SettingsError(f"{name} is {value!r}; a bucket's name is accepted: letters, digits, . _ and -")
    return value


def _url(variables: Mapping[str, str], name: str) -> str | None:
    value = variables.get(name)
    if value and not _URL.fullmatch(value):
        raise SettingsError(f"{name} is {value!r}; a URL such as http://127.0.0.1:5000 is accepted")
    return value or None


def _one_of(variables: Mapping[str, str], name: str, accepted: tuple[str, ...], *, default: str) -> str:
    value = variables.get(name) or default
    if value not in accepted:
        raise SettingsError(f"{name} is {value!r}; accepted: {', '.join(accepted)}")
    return value


def _number(
    variables: Mapping[str, str], name: str, least: int, most: int, *, default: int | None
) -> int | None:
    text = variables.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; a whole number from {least} to {most} is accepted")
    return int(text)
