"""A reader of products for the shop, with connections as they must be."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
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
# A read by primary key takes a millisecond; without a limit, a reader nobody put one on waits for ever.
DATABASE_READ_TIMEOUT_SECONDS = 5.0
# Connections idle for longer may have been dropped without a word by what lies between.
DATABASE_IDLE_SECONDS = 240.0
# Ready ones are as many as there are commands at once; others may still be in the making, for readers that
# have gone to the database meanwhile.
_CACHE_CONNECTIONS = 2 * MAX_CACHE_COMMANDS
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Password:
    """A cache's password; `username` None: of its default user."""

    password: str = field(repr=False)
    username: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Iam:
    """A cache's user that proves who it is with an IAM role, as botocore finds its credentials.

    `cluster_id`: the replication group's; TLS is needed.
    """

    username: str
    cluster_id: str
    region: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheAddress:
    """Where the cache is, and how to log in; `ca_file`: whom to trust besides what the system does."""

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
    """A reader with connections of its own to both stores; nothing is connected before it is needed.

    One serves a whole process: any number of tasks may call `get` at once.

    Args:
        dsn: a connection URI to the primary, as a role that may read `products`.
        cache: the one the processor invalidates.
        ca_file: the authorities by which the database's certificate and name are verified; None: no TLS.
            The default are RDS's.
        database_connections: at most so many; more readers wait for their turn.

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
    async with client, _open_pool(dsn, tls, database_connections) as pool:
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
            # A second of imports that only this login needs.
            import aioboto3

            from processor.adapters.redis_login import iam_login

            session = aioboto3.Session(region_name=region)
            return iam_login(session, username=username, cluster_id=cluster_id, region=region)


@asynccontextmanager
async def _open_pool(dsn: str, tls: ssl.SSLContext | None, max_connections: int) -> AsyncIterator["Pool"]:
    pool = await asyncpg.create_pool(
        dsn,
        ssl=tls if tls is not None else False,
        min_size=0,
        max_size=max_connections,
        timeout=DATABASE_CONNECT_TIMEOUT_SECONDS,
        command_timeout=DATABASE_READ_TIMEOUT_SECONDS,
        max_inactive_connection_lifetime=DATABASE_IDLE_SECONDS,
        server_settings={"application_name": "catalog-reader"},
        reset=_leave_as_it_is,
    )
    try:
        yield pool
    finally:
        with suppress(TimeoutError):  # what is not closed in time, asyncpg drops
            async with asyncio.timeout(_CLOSE_SECONDS):
                await pool.close()


async def _leave_as_it_is(connection: object) -> None:
    """A read changes nothing of a connection, so that nothing needs to be sent when it is given back."""
