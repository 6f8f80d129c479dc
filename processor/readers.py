"""Open a reader of products for the shop, with properly configured connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from redis.credentials import CredentialProvider, UsernamePasswordCredentialProvider

from processor.adapters.redis_client import redis_client
from processor.cache_commands import MAX_CACHE_COMMANDS
from processor.reader import CatalogReader
from processor.settings import RDS_ROOTS

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

DATABASE_CONNECT_TIMEOUT_SECONDS = 5.0
# A read by primary key takes a millisecond. Without a limit here, a caller that sets none could wait for
# ever.
DATABASE_READ_TIMEOUT_SECONDS = 5.0
# Whatever is between us and the server may have silently dropped connections that were idle for longer.
DATABASE_IDLE_SECONDS = 240.0
# One for each concurrent command; as many may still be connecting for readers that went to the database
# meanwhile.
_CACHE_CONNECTIONS = 2 * MAX_CACHE_COMMANDS
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Password:
    """A password for the cache; `username` None is its default user."""

    password: str = field(repr=False)
    username: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Iam:
    """A user of the cache that logs in with IAM; botocore finds the credentials.

    `cluster_id`: the replication group's id. TLS is required.
    """

    username: str
    cluster_id: str
    region: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheAddress:
    """Where the cache is, and how to log in; `ca_file`: certificates to trust besides the system's."""

    host: str
    port: int = 6379
    tls: bool = True
    ca_file: Path | None = None
    login: Password | Iam | None = None


@asynccontextmanager
async def open_reader(
    *,
    dsn: str,
    cache: CacheAddress,
    ca_file: Path | None = RDS_ROOTS,
    database_connections: int = 10,
) -> AsyncIterator[CatalogReader]:
    """Open a reader with its own connections to both stores; they connect when they are first needed.

    One reader is enough for a process: any number of tasks may call `get` concurrently.

    Args:
        dsn: a connection URI of the primary, for a role that may read `products`.
        cache: the cache that the processor invalidates.
        ca_file: certificate authorities that verify the database's certificate and name; None disables TLS.
            The default is RDS's.
        database_connections: the most connections; further reads wait for their turn.

    Raises:
        ValueError: IAM without TLS.
    """
    tls = ssl.create_default_context(cafile=ca_file) if ca_file is not None else None
    client = redis_client(
        host=cache.host,
        port=cache.port,
        tls=cache.tls,
        ca_file=cache.ca_file,
        login=_login(cache),
        max_connections=_CACHE_CONNECTIONS,
    )
    async with client, open_pool(dsn, tls, database_connections) as pool:
        reader = CatalogReader(pool, client)
        try:
            yield reader
        finally:
            await reader.aclose()


def _login(cache: CacheAddress) -> CredentialProvider | None:
    match cache.login:
        case None:
            return None
        case Password(password=password, username=username):
            return UsernamePasswordCredentialProvider(username, password)
        case Iam(username=username, cluster_id=cluster_id, region=region):
            if not cache.tls:
                raise ValueError(
                    "the cache's login is Iam and tls is False; ElastiCache takes IAM over TLS only"
                )
            # Only this login needs these imports, which take a second.
            from processor.adapters.careful_aws import session_credentials
            from processor.adapters.checked_session import open_session
            from processor.adapters.redis_login import iam_login

            session = open_session(region_name=region)
            find = partial(session_credentials, session)
            return iam_login(find, username=username, cluster_id=cluster_id, region=region)


@asynccontextmanager
async def open_pool(dsn: str, tls: ssl.SSLContext | None, max_connections: int) -> AsyncIterator["Pool"]:
    """Open the pool of a reader's connections to the database; they connect when they are first needed."""
    pool = await asyncpg.create_pool(
        dsn,
        ssl=tls if tls is not None else False,
        min_size=0,
        max_size=max_connections,
        timeout=DATABASE_CONNECT_TIMEOUT_SECONDS,
        command_timeout=DATABASE_READ_TIMEOUT_SECONDS,
        max_inactive_connection_lifetime=DATABASE_IDLE_SECONDS,
        server_settings={"application_name": "catalog-reader"},
        reset=_do_not_reset,
    )
    try:
        yield pool
    finally:
        with suppress(TimeoutError):  # asyncpg drops what is not closed in time
            async with asyncio.timeout(_CLOSE_SECONDS):
                await pool.close()


async def _do_not_reset(connection: object) -> None:
    """Send nothing when a connection is released: a read leaves nothing to reset."""
