"""Clients of an environment's parts, opened when they are first needed and closed together.

What is slow to import is imported where it is needed: the program's help does without.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.asyncio import Redis

from catalog.aws_config import client_config
from catalog.environment import Environment, find_environment
from catalog.errors import UnreachableError
from catalog.tunnels import tls_context
from processor.adapters.careful_aws import session_credentials
from processor.adapters.redis_client import redis_client
from processor.adapters.redis_login import iam_login
from processor.adapters.secrets import member, read_secret
from processor.settings import RDS_ROOTS

if TYPE_CHECKING:
    import aioboto3
    from asyncpg.pool import Pool

_CONNECT_SECONDS = 5.0
_DATABASE_CONNECTIONS = 4
_CACHE_CONNECTIONS = 4
# Of one statement, or of a part of a long one's rows.
_STATEMENT_SECONDS = 30
_OF_AWS = (
    "It is in private subnets: run this inside the VPC, or set CATALOG_DATABASE_HOST to a tunnel's end "
    "(docs/operating.md#from-a-laptop)"
)
_OF_A_KEPT_RUN = "If it was stopped: .venv/bin/python -m local trouble start-database"


class Connections:
    """The clients of one environment; `environment`: what they connect to."""

    def __init__(self, environment: Environment, session: "aioboto3.Session", stack: AsyncExitStack) -> None:
        self.environment = environment
        self._session = session
        self._stack = stack
        self._clients: dict[str, Any] = {}
        self._pools: dict[str, Pool[Any]] = {}
        self._caches: dict[str | None, Redis] = {}
        # Whoever needs a client that another is opening waits for it.
        self._opening_client, self._opening_pool = asyncio.Lock(), asyncio.Lock()

    async def aws(self, service: str) -> Any:
        """Return the client of an AWS service."""
        async with self._opening_client:
            return await self._aws(service)

    async def _aws(self, service: str) -> Any:
        if service not in self._clients:
            # The stubs know each service by its literal name only.
            make_client: Any = self._session.client
            self._clients[service] = await self._stack.enter_async_context(
                make_client(
                    service,
                    region_name=self.environment.region,
                    endpoint_url=self.environment.endpoint_url,
                    config=client_config(service, is_emulated=self.environment.endpoint_url is not None),
                )
            )
        return self._clients[service]

    async def database(self, *, may_write: bool = False) -> "Pool[Any]":
        """Return a pool of connections as the shop's role, or as the processor's, which may write.

        Raises: UnreachableError.
        """
        environment = self.environment
        async with self._opening_pool:
            return await self._pool(
                environment.database_secret_arn if may_write else environment.reader_secret_arn
            )

    async def _pool(self, arn: str) -> "Pool[Any]":
        environment = self.environment
        if arn not in self._pools:
            secret = await read_secret(await self.aws("secretsmanager"), arn)
            where = f"{environment.database_host}:{environment.database_port}"
            try:
                pool = await asyncpg.create_pool(
                    host=environment.database_host,
                    port=environment.database_port,
                    database=environment.database_name,
                    user=member(secret, arn, "username"),
                    password=member(secret, arn, "password"),
                    ssl=self.database_tls() or False,
                    min_size=1,
                    max_size=_DATABASE_CONNECTIONS,
                    timeout=_CONNECT_SECONDS,
                    command_timeout=_STATEMENT_SECONDS,
                    server_settings={"application_name": "catalog"},
                )
            except asyncpg.PostgresError as error:
                raise UnreachableError(f"the database at {where} refuses the connection: {error}") from error
            except OSError as error:
                hint = _OF_A_KEPT_RUN if environment.variables is not None else _OF_AWS
                raise UnreachableError(
                    f"the database at {where} cannot be reached: {str(error) or 'no answer'}. {hint}"
                ) from error
            self._pools[arn] = pool
            self._stack.callback(pool.terminate)
        return self._pools[arn]

    def database_tls(self) -> ssl.SSLContext | None:
        """Return what verifies the database's certificate; None if the environment has no TLS."""
        environment = self.environment
        return tls_context(RDS_ROOTS, environment.database_tls_name) if environment.database_tls else None

    def cache(self, *, may_write: bool = False) -> Redis:
        """Return a client of the cache, where that has users as the shop's, or as the processor's.

        The shop's may store what it has read; the processor's may delete.
        """
        environment = self.environment
        user = environment.cache_writer_user if may_write else environment.cache_user
        if user not in self._caches:
            login = None
            if user is not None and environment.cache_cluster_id is not None:
                login = iam_login(
                    partial(session_credentials, self._session),
                    username=user,
                    cluster_id=environment.cache_cluster_id,
                    region=environment.region,
                )
            cache = redis_client(
                host=environment.cache_host,
                port=environment.cache_port,
                tls=environment.cache_tls,
                server_name=environment.cache_tls_name,
                login=login,
                max_connections=_CACHE_CONNECTIONS,
            )
            self._caches[user] = cache
            self._stack.push_async_callback(cache.aclose)
        return self._caches[user]


@asynccontextmanager
async def connect(name: str | None) -> AsyncIterator[Connections]:
    """Open the environment of a name; without one the kept local run.

    Raises: UsageError, UnreachableError.
    """
    async with connected(await find_environment(name, _open_session)) as connections:
        yield connections


@asynccontextmanager
async def connected(environment: Environment) -> AsyncIterator[Connections]:
    """Open an environment that is known."""
    if environment.variables is None:
        session = _open_session()
    else:
        # Of another account, or not there at all; botocore would look for it in spite of the keys.
        for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            os.environ.pop(variable, None)
        session = _open_session(
            aws_access_key_id=environment.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment.variables["AWS_SECRET_ACCESS_KEY"],
            region_name=environment.region,
        )
    async with AsyncExitStack() as stack:
        yield Connections(environment, session, stack)


def _open_session(**options: Any) -> "aioboto3.Session":
    from processor.adapters.checked_session import open_session

    return open_session(**options)
