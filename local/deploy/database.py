"""PostgreSQL as RDS provides it: an administrator who is not a superuser, and an empty database."""

import secrets

import asyncpg

from local.servers import AdministeredDatabase, PostgresAddress

# As stacks/database.py names them.
_DATABASE = "productcatalog"
_ADMINISTRATOR = "postgres"
_SUPERUSER = "rdsadmin"


class RdsLikeDatabase:
    """The embedded server in place of an RDS instance.

    `address`: with the superuser that initdb created, who becomes `rdsadmin` as on RDS.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self.administered = AdministeredDatabase(address.host, address.port, secrets.token_urlsafe(24))

    async def rename_superuser(self) -> None:
        """Rename the superuser. A role cannot rename itself, so a second superuser does it."""
        temporary = "temporary"
        first = await self._connect(self._address.user)
        await first.execute(f"CREATE ROLE {temporary} SUPERUSER LOGIN PASSWORD '{self._address.password}'")
        await first.close()
        second = await self._connect(temporary)
        await second.execute(f"ALTER ROLE {self._address.user} RENAME TO {_SUPERUSER}")
        await second.close()
        last = await self._connect(_SUPERUSER)
        await last.execute(f"DROP ROLE {temporary}")
        await last.close()

    async def recreate(self) -> None:
        """Drop the database and all roles and create them again: a destroyed instance leaves nothing."""
        connection = await self._connect(_SUPERUSER)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
            # One statement for all roles, because they are members of each other.
            roles = await connection.fetchval(
                "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles "
                "WHERE rolname !~ '^pg_' AND rolname <> $1",
                _SUPERUSER,
            )
            if roles is not None:
                await connection.execute(f"DROP ROLE {roles}")
            await connection.execute(
                f"CREATE ROLE {_ADMINISTRATOR} LOGIN CREATEROLE CREATEDB "
                f"PASSWORD '{self.administered.password}'"
            )
            await connection.execute(f"CREATE DATABASE {_DATABASE} OWNER {_ADMINISTRATOR}")
        finally:
            await connection.close()

    async def _connect(self, user: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=self._address.host,
            port=self._address.port,
            user=user,
            password=self._address.password,
            database=self._address.database,
        )
