"""Lambda's entry point for schema migrations: numbered SQL files, each applied once, in order.

Run on every deploy, as the database's administrator (`DB_ADMIN_SECRET_ARN`). The secrets of `DB_SECRET_ARN`
and `DB_READER_SECRET_ARN` name two roles. They are created, get the secrets' passwords, and may write the
catalog or only read its products. If a variable is not set, its role is not created.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from processor.adapters.aws_clients import SecretsManager
from processor.adapters.careful_aws import CarefulAws
from processor.adapters.postgres import CONNECT_TIMEOUT_SECONDS, Login, tls_context
from processor.adapters.secrets import login_source, member, read_secret
from processor.errors import PipelineError, SettingsError
from processor.scram import verifier
from processor.settings import DatabaseSettings, read_database_settings, read_region

DIRECTORY = Path(__file__).parent / "migrations"
# Any number that nothing else in this database locks.
_LOCK = 7_234_901
# A migration that waits for a lock blocks everyone behind it, so the deploy should rather fail.
_LOCK_TIMEOUT_SECONDS = 5
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(PipelineError):
    """A migration cannot be applied: its file was changed afterwards, or files are missing or misnamed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file of SQL."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash that shows whether the file was changed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Role:
    """A role that logs in, and the group whose rights it has."""

    name: str
    password: str
    group: str


_GROUPS = {"DB_SECRET_ARN": "catalog_writer", "DB_READER_SECRET_ARN": "catalog_reader"}


def handler(event: object, context: object) -> dict[str, Any]:
    """Bring the schema, the roles and their passwords up to date.

    The event is ignored. Returns `{"applied": [...], "version": n, "application_role": name or None,
    "reader_role": name or None}`.

    Raises:
        SettingsError: an environment variable is missing or wrong, or a password is not printable ASCII.
        DependencyError: a secret cannot be read, or lacks a member.
        MigrationError: an applied migration's file has changed.
        asyncpg.PostgresError, OSError: the database refused or cannot be reached; no migration is half
        applied.
    """
    del event, context
    return asyncio.run(_migrate_from_variables(os.environ))


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]", migrations: list[Migration]) -> list[str]:
    """Apply the migrations that are not applied yet, each in its own transaction; return their names.

    Migrations that only the database knows (of a deploy that was rolled back) are ignored.
    """
    await connection.execute(_LEDGER)
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migration")
    applied = {row["number"]: (row["name"], row["sha256"]) for row in rows}
    _check_history(applied, migrations)
    names = []
    for migration in migrations:
        if migration.number in applied:
            continue
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
        names.append(migration.name)
    return names


@asynccontextmanager
async def one_deploy_at_a_time(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """Hold the advisory lock that every deploy takes, for the duration of the block."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def ensure_role(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str, group: str
) -> None:
    """Create a role with this password and the group's rights; if it exists, set them."""
    quoted = '"' + name.replace('"', '""') + '"'
    async with connection.transaction():
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name):
            await connection.execute(f"CREATE ROLE {quoted}")
        try:
            stored = verifier(password)
        except ValueError as error:
            raise SettingsError(f"the secret of the role {name}: {error}") from error
        # A verifier holds base64, "$", ":" and "-" only, so it needs no quoting inside quotes.
        await connection.execute(f"ALTER ROLE {quoted} LOGIN PASSWORD '{stored}'")
        await connection.execute(f"GRANT {group} TO {quoted}")


def read_migrations(directory: Path = DIRECTORY) -> list[Migration]:
    """Return the migrations, in order. Raises: MigrationError for a gap or a misnamed file."""
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        matched = _FILE.fullmatch(path.name)
        if matched is None:
            raise MigrationError(f"migration {path.name}: a name like 0001_what_it_does.sql is accepted")
        migrations.append(Migration(int(matched[1]), matched[2], path.read_text()))
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError(f"migrations in {directory} are not numbered 0001, 0002, … without a gap")
    return migrations


def _check_history(applied: dict[int, tuple[str, str]], migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, (name, sha256) in sorted(applied.items()):
        migration = known.get(number)
        if migration is not None and migration.sha256 != sha256:
            raise MigrationError(
                f"migration {number:04d}_{name} was changed after it was applied; write a new one instead"
            )


async def _migrate_from_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    migrations = read_migrations()
    settings = read_database_settings(variables, "DB_ADMIN_SECRET_ARN")
    region = read_region(variables, "DB_ADMIN_SECRET_ARN")
    async with aclosing(CarefulAws(region)) as aws:
        secrets = await aws.client("secretsmanager")
        login = await _login(settings, secrets)
        roles = await _roles(variables, secrets)
    connection = await asyncpg.connect(
        host=login.host,
        port=login.port,
        database=login.database,
        user=login.user,
        password=login.password,
        ssl=tls_context(settings) or False,
        timeout=CONNECT_TIMEOUT_SECONDS,
        server_settings={"application_name": "catalog-migrations"},
    )
    try:
        async with one_deploy_at_a_time(connection):
            applied = await migrate(connection, migrations)
            for role in roles:
                # Only on a laptop is one login used for everything.
                if role.name != login.user:
                    await ensure_role(connection, role.name, role.password, role.group)
    finally:
        connection.terminate()
    made = {role.group: role.name for role in roles if role.name != login.user}
    return {
        "applied": applied,
        "version": len(migrations),
        "application_role": made.get("catalog_writer"),
        "reader_role": made.get("catalog_reader"),
    }


async def _roles(variables: Mapping[str, str], secrets: SecretsManager) -> list[_Role]:
    """Return the roles whose secrets the environment variables name."""
    roles = []
    for variable, group in _GROUPS.items():
        if arn := variables.get(variable):
            secret = await read_secret(secrets, arn)
            roles.append(_Role(member(secret, arn, "username"), member(secret, arn, "password"), group))
    return roles


async def _login(settings: DatabaseSettings, secrets: SecretsManager) -> Login:
    return await login_source(settings, lambda arn: read_secret(secrets, arn))()
