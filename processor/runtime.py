"""The composition root: builds the adapters and keeps them and their event loop between invocations."""

import asyncio
import atexit
import gc
import os
import secrets
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

import aioboto3
from aiobotocore.config import AioConfig
from botocore.handlers import add_expect_header
from redis.asyncio import Redis

from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database, tls_context
from processor.adapters.redis_client import redis_client
from processor.adapters.redis_login import AsyncPassword, iam_login
from processor.adapters.s3 import S3Archive, S3Quarantine
from processor.adapters.secrets import login_source, read_password, read_secret
from processor.adapters.telemetry import Telemetry
from processor.event_loop import EventLoop
from processor.ports import Ports
from processor.settings import RedisIamUser, RedisSecret, RedisSettings, Settings, read_settings

if TYPE_CHECKING:
    from types_aiobotocore_secretsmanager.client import SecretsManagerClient

T = TypeVar("T")

_CLOSE_SECONDS = 2.0
# One is used at a time. The others may still be connecting for invalidations that stopped waiting for them.
_CACHE_CONNECTIONS = 8
# A batch makes ten thousands of objects, and cycles only by accident. Searching for those after every 2,000
# objects, as Python does, takes a tenth of a large batch's CPU time.
_OBJECTS_PER_COLLECTION = 100_000


class Runtime:
    """The event loop of one execution environment, and the connections that live on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.telemetry = Telemetry(settings.environment_suffix)
        self._tls = tls_context(settings.database)
        self._runner = asyncio.Runner(loop_factory=EventLoop)
        self._resources = AsyncExitStack()
        self._session = aioboto3.Session(region_name=settings.region)
        self._database: Database | None = None
        self._ports: Ports | None = None
        self._one_at_a_time = threading.Lock()
        gc.set_threshold(_OBJECTS_PER_COLLECTION)

    def run(self, operation: Callable[[Ports], Awaitable[T]], *, seconds: float) -> T:
        """Run the operation on the loop, with the connections; return its result.

        `seconds`: how long the invocation lasts at most.
        """
        with self._one_at_a_time:
            return self._runner.run(self._on_loop(operation, seconds))

    def take_peak_connections(self) -> int:
        """Return the most database connections that were busy at the same time since the last call."""
        return 0 if self._database is None else self._database.take_peak_in_use()

    def close(self) -> None:
        """Drop all connections and close the loop."""
        with self._one_at_a_time:
            if self._database is not None:
                self._database.terminate()
            self._runner.run(self._close())
            self._runner.close()

    async def _on_loop(self, operation: Callable[[Ports], Awaitable[T]], seconds: float) -> T:
        # After a freeze the loop must run to learn which connections the other side has closed.
        await _tick()
        if self._ports is None:
            self._ports = await self._open()
        if self._database is not None:
            self._database.allow_statements(seconds)
        try:
            return await operation(self._ports)
        finally:
            # And before the next freeze, so that dropped connections are closed and their statements end.
            await _tick()

    async def _open(self) -> Ports:
        settings = self.settings
        config = AioConfig(
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 3},
            # An emulator has no host name for each bucket.
            s3={"addressing_style": "path"} if settings.endpoint_url else {},
        )
        enter = self._resources.enter_async_context
        s3 = await enter(self._session.client("s3", config=config))
        # It would first ask S3 whether to send the object, which takes as long as the put itself.
        s3.meta.events.unregister("before-call.s3", add_expect_header)
        secrets_manager = await enter(self._session.client("secretsmanager", config=config))

        self._database = Database(
            login_source(settings.database, lambda arn: read_secret(secrets_manager, arn)),
            self._tls,
            settings.database.pool_size,
        )
        redis = self._redis(settings.redis, secrets_manager)
        self._resources.push_async_callback(redis.aclose)
        return Ports(
            archive=S3Archive(s3, settings.archive_bucket),
            quarantine=S3Quarantine(s3, settings.quarantine_bucket),
            catalog=PostgresCatalog(self._database, process_id=secrets.token_hex(8)),
            cache=RedisCache(redis),
            clock=self.clock,
        )

    def _redis(self, settings: RedisSettings, secrets_manager: "SecretsManagerClient") -> Redis:
        login: AsyncPassword | None = None
        match settings.login:
            case RedisSecret(secret_arn=arn):
                login = AsyncPassword(lambda: read_password(secrets_manager, arn))
            case RedisIamUser(username=username, cluster_id=cluster_id):
                login = iam_login(
                    self._session, username=username, cluster_id=cluster_id, region=self.settings.region
                )
        return redis_client(
            host=settings.host,
            port=settings.port,
            tls=settings.tls,
            login=login,
            max_connections=_CACHE_CONNECTIONS,
        )

    async def _close(self) -> None:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await self._resources.aclose()


async def _tick() -> None:
    """Let the loop run what is due; it takes two turns to notice that a connection ended and to close it."""
    for _ in range(3):
        await asyncio.sleep(0)


_current: Runtime | None = None
_building = threading.Lock()


def current() -> Runtime:
    """Return this process's runtime, built on first use and again when the environment variables changed.

    Raises: SettingsError.
    """
    global _current
    with _building:
        settings = read_settings(os.environ)
        if _current is not None and _current.settings != settings:
            _current.close()
            _current = None
        if _current is None:
            _current = Runtime(settings)
        return _current


def _close_current() -> None:
    if _current is not None:
        _current.close()


atexit.register(_close_current)
