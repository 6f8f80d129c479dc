"""The environment variables: their defaults, which one wins, and the message about a wrong one."""

import asyncio
from pathlib import Path

import pytest

from processor.adapters.postgres import Login, tls_context
from processor.adapters.secrets import login_source
from processor.errors import DependencyError, SettingsError
from processor.settings import (
    RDS_ROOTS,
    DatabaseSettings,
    RedisIamUser,
    RedisSecret,
    RedisSettings,
    Settings,
    read_database_settings,
    read_settings,
)

SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:product-catalog-db-credentials-dev-AbCdEf"
REQUIRED = {
    "DB_SECRET_ARN": SECRET_ARN,
    "DB_TLS": "disable",
    "REDIS_ENDPOINT": "cache.internal",
    "ARCHIVE_BUCKET": "archive",
    "QUARANTINE_BUCKET": "quarantine",
    "ENVIRONMENT_SUFFIX": "dev",
}


def read(**variables: str) -> Settings:
    return read_settings({**REQUIRED, **variables})


def refuse(message: str, variables: dict[str, str]) -> None:
    """Check that the variables are refused, in one line that begins with the wrong one's name."""
    with pytest.raises(SettingsError) as refusal:
        read_settings(variables)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_defaults() -> None:
    assert read() == Settings(
        database=DatabaseSettings(
            secret_arn=SECRET_ARN, host=None, port=None, name=None, ca_file=None, pool_size=2
        ),
        redis=RedisSettings(
            host="cache.internal",
            port=6379,
            tls=True,
            login=None,
        ),
        archive_bucket="archive",
        quarantine_bucket="quarantine",
        environment_suffix="dev",
        region="eu-west-1",
        endpoint_url=None,
    )


def test_all_variables(tmp_path: Path) -> None:
    ca_file = tmp_path / "roots.pem"
    ca_file.touch()
    settings = read(
        DB_HOST="database.internal",
        DB_PORT="5433",
        DB_NAME="catalog",
        DB_TLS="verify-full",
        DB_CA_FILE=str(ca_file),
        DB_POOL_SIZE="5",
        REDIS_PORT="6380",
        REDIS_TLS="true",
        REDIS_AUTH="iam",
        REDIS_USERNAME="processor-dev",
        REDIS_CLUSTER_ID="catalog-dev",
        AWS_REGION="us-east-2",
        AWS_ENDPOINT_URL="http://127.0.0.1:5000",
    )
    assert settings.database == DatabaseSettings(
        secret_arn=SECRET_ARN,
        host="database.internal",
        port=5433,
        name="catalog",
        ca_file=ca_file,
        pool_size=5,
    )
    assert settings.redis == RedisSettings(
        host="cache.internal",
        port=6380,
        tls=True,
        login=RedisIamUser(username="processor-dev", cluster_id="catalog-dev"),
    )
    assert (settings.region, settings.endpoint_url) == ("us-east-2", "http://127.0.0.1:5000")


def test_by_default_the_database_is_verified_with_the_roots_we_ship() -> None:
    variables = {name: value for name, value in REQUIRED.items() if name != "DB_TLS"}
    assert read_settings(variables).database.ca_file == RDS_ROOTS


@pytest.mark.parametrize("name", [name for name in REQUIRED if name != "DB_TLS"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    variables = {**REQUIRED, name: value}
    present = {known: text for known, text in variables.items() if text is not None}
    refuse(name, present)
    if value is None:
        refuse(f"{name} is missing", present)


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({"REDIS_AUTH": "password"}, "REDIS_SECRET_ARN"),
        ({"REDIS_AUTH": "iam", "REDIS_CLUSTER_ID": "c"}, "REDIS_USERNAME"),
        ({"REDIS_AUTH": "iam", "REDIS_USERNAME": "u"}, "REDIS_CLUSTER_ID"),
        ({"DB_SECRET_ARN": "product-catalog-db-credentials-dev"}, "AWS_REGION"),
    ],
)
def test_what_another_choice_needs_is_named(variables: dict[str, str], missing: str) -> None:
    refuse(f"{missing} is missing", {**REQUIRED, **variables})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        *(
            ("ENVIRONMENT_SUFFIX", value, "lower-case letters")
            for value in ("Dev", "-dev", "dev-", "d_v", "dév", "dev\n")
        ),
        *(
            ("DB_PORT", value, "1 to 65535")
            for value in ("0", "65536", "5432.0", "-1", " 5432", "٥", "9" * 5000)
        ),
        *(("DB_POOL_SIZE", value, "1 to 100") for value in ("0", "101", "two")),
        *(("REDIS_PORT", value, "1 to 65535") for value in ("0", "65536", "redis")),
        *(("REDIS_TLS", value, "true, false") for value in ("yes", "True", "1")),
        *(("REDIS_AUTH", value, "none, password, iam") for value in ("IAM", "token")),
        *(("DB_TLS", value, "verify-full, disable") for value in ("require", "false", "Disable")),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_accepted(name: str, value: str, accepted: str) -> None:
    variables = {**REQUIRED, name: value}
    refuse(f"{name} is {value!r}; ", variables)
    with pytest.raises(SettingsError, match=accepted):
        read_settings(variables)


@pytest.mark.parametrize("ca_file", ["/does/not/exist.pem", "/"])
def test_a_missing_ca_file_is_named(ca_file: str) -> None:
    refuse(f"DB_CA_FILE is {ca_file!r}", {**REQUIRED, "DB_TLS": "verify-full", "DB_CA_FILE": ca_file})


def test_a_ca_file_without_certificates_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "roots.pem"
    ca_file.write_text("no certificate\n")
    settings = read(DB_TLS="verify-full", DB_CA_FILE=str(ca_file))
    with pytest.raises(SettingsError, match=r"^DB_CA_FILE "):
        tls_context(settings.database)
    assert tls_context(read().database) is None


def test_iam_needs_tls() -> None:
    iam = {"REDIS_AUTH": "iam", "REDIS_USERNAME": "u", "REDIS_CLUSTER_ID": "c", "REDIS_TLS": "false"}
    refuse("REDIS_TLS is 'false' and REDIS_AUTH is 'iam'", {**REQUIRED, **iam})


@pytest.mark.parametrize("suffix", ["d", "dev", "dev-pr-42", "0"])
def test_suffixes(suffix: str) -> None:
    assert read(ENVIRONMENT_SUFFIX=suffix).environment_suffix == suffix


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "us-west-1"}, "us-west-1"),
        ({"AWS_DEFAULT_REGION": "us-west-1", "AWS_REGION": "us-east-2"}, "us-east-2"),
    ],
)
def test_lambdas_region_wins_over_the_secrets(variables: dict[str, str], region: str) -> None:
    assert read(**variables).region == region


@pytest.mark.parametrize(
    ("variables", "endpoint_url"),
    [
        ({}, None),
        ({"AWS_ENDPOINT_URL": ""}, None),
        ({"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}, "http://s3"),
    ],
)
def test_endpoints_have_botocores_variables(variables: dict[str, str], endpoint_url: str | None) -> None:
    assert read(**variables).endpoint_url == endpoint_url


def test_redis_by_password() -> None:
    redis = read(REDIS_AUTH="password", REDIS_SECRET_ARN="arn:of:redis", REDIS_TLS="false").redis
    assert (redis.login, redis.tls) == (RedisSecret(secret_arn="arn:of:redis"), False)


def test_migrations_read_another_secret() -> None:
    variables = {"DB_TLS": "disable", "DB_ADMIN_SECRET_ARN": "arn:of:admin"}
    assert read_database_settings(variables, "DB_ADMIN_SECRET_ARN").secret_arn == "arn:of:admin"
    with pytest.raises(SettingsError, match=r"^DB_SECRET_ARN is missing"):
        read_database_settings(variables, "DB_SECRET_ARN")


# --- variables and secret

SECRET: dict[str, object] = {
    "username": "writer",
    "password": "word",
    "host": "of-secret",
    "port": 5433,
    "dbname": "of_secret",
}


def log_in(secret: dict[str, object], **variables: str) -> Login:
    async def ask(arn: str) -> dict[str, object]:
        assert arn == SECRET_ARN
        return secret

    async def login() -> Login:
        return await login_source(read(**variables).database, ask)()

    return asyncio.run(login())


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in SECRET.items() if name not in names}


@pytest.mark.parametrize(
    ("secret", "variables", "where"),
    [
        (SECRET, {}, ("of-secret", 5433, "of_secret")),
        ({**SECRET, "port": "5434"}, {}, ("of-secret", 5434, "of_secret")),
        (without("port"), {}, ("of-secret", 5432, "of_secret")),
        (SECRET, {"DB_HOST": "variable", "DB_PORT": "1", "DB_NAME": "variable"}, ("variable", 1, "variable")),
        (
            without("host", "dbname"),
            {"DB_HOST": "variable", "DB_NAME": "variable"},
            ("variable", 5433, "variable"),
        ),
    ],
)
def test_variables_win_over_the_secret(
    secret: dict[str, object], variables: dict[str, str], where: tuple[str, int, str]
) -> None:
    login = log_in(secret, **variables)
    assert (login.host, login.port, login.database) == where
    assert (login.user, login.password) == ("writer", "word")
    assert "word" not in repr(login)


@pytest.mark.parametrize(
    ("secret", "message"),
    [(without("host"), "DB_HOST is missing"), (without("dbname"), "DB_NAME is missing")],
)
def test_what_is_in_neither_is_named(secret: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        log_in(secret)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (without("username"), "holds no 'username'"),
        (without("password"), "holds no 'password'"),
        ({**SECRET, "password": ""}, "holds no 'password'"),
        ({**SECRET, "password": 5}, "holds no 'password'"),
        ({**SECRET, "port": "x"}, "'port' is 'x'"),
    ],
)
def test_a_secret_without_a_member_is_a_failed_dependency(secret: dict[str, object], message: str) -> None:
    """Check this because a failed rotation may be fixed by the next; no batch is bisected meanwhile."""
    with pytest.raises(DependencyError, match=message):
        log_in(secret)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHIVE_BUCKET", "Bad Bucket!"),
        ("QUARANTINE_BUCKET", "a/b"),
        ("AWS_REGION", "bad region"),
        ("AWS_ENDPOINT_URL", "garbage"),
        ("AWS_ENDPOINT_URL_S3", "http://"),
    ],
)
def test_an_invalid_name_is_refused(name: str, value: str) -> None:
    refuse(f"{name} is {value!r}; ", REQUIRED | {name: value})


@pytest.mark.parametrize(("name", "port"), [("REDIS_ENDPOINT", "REDIS_PORT"), ("DB_HOST", "DB_PORT")])
@pytest.mark.parametrize(
    "value", ["h:6379", "redis://h:6379", "postgresql://u@h/d", "[::1]", "[::1]:1", "h/0", "two hosts", "a,b"]
)
def test_a_host_with_a_port_or_more_is_refused(name: str, port: str, value: str) -> None:
    refuse(
        f"{name} is {value!r}; a host name is accepted, the port is {port}",
        REQUIRED | {name: value, "AWS_REGION": "eu-west-1"},
    )


@pytest.mark.parametrize(
    "host", ["h", "h-1.example.", "some_host", "127.0.0.1", "::1", "fe80::1%eth0", "münchen"]
)
def test_hosts(host: str) -> None:
    settings = read(REDIS_ENDPOINT=host, DB_HOST=f" {host}\n")
    assert (settings.redis.host, settings.database.host) == (host, host)


@pytest.mark.parametrize("arn", ["garbage", "arn:aws:s3:eu-west-1:123456789012:x", "arn:aws:secretsmanager"])
def test_without_any_region_the_secret_is_named(arn: str) -> None:
    refuse(f"AWS_REGION is missing, and DB_SECRET_ARN is {arn!r}", REQUIRED | {"DB_SECRET_ARN": arn})
    assert read(DB_SECRET_ARN=arn, AWS_REGION="eu-west-1").database.secret_arn == arn


def test_a_blank_database_host_is_none() -> None:
    assert read(DB_HOST="  ").database.host is None
