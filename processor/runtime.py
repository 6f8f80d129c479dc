"""The composition root: builds the adapters and keeps them and their event loop between invocations."""

import asyncio
import atexit
import gc
import os
import secrets
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar, cast

from redis.asyncio import Redis

from processor.adapters.aws_clients import AwsClients
from processor.adapters.cache import RedisCache
from processor.adapters.careful_aws import CarefulAws
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.ordinary_aws import OrdinaryAws
from processor.adapters.postgres import Database, tls_context
from processor.adapters.redis_client import PatientPool, redis_client
from processor.adapters.redis_login import AsyncPassword, iam_login
from processor.adapters.s3 import S3Archive, S3Quarantine
from processor.adapters.secrets import login_source, read_password, read_secret
from processor.adapters.telemetry import Telemetry
from processor.event_loop import EventLoop, Lookups
from processor.ports import Ports
from processor.settings import RedisIamUser, RedisSecret, RedisSettings, Settings, read_settings

T = TypeVar("T")

_CLOSE_SECONDS = 2.0
# One is used at a time. The others may still be connecting for invalidations that stopped waiting for them.
_CACHE_CONNECTIONS = 8
# A batch makes ten thousands of objects, and cycles only where something fails, which the handler drops.
# Searching for those after every 2,000 objects, as Python does, takes a tenth of a large batch's CPU time.
_OBJECTS_PER_COLLECTION = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a process gets from the machine it runs on; `reliability` simulates it.

    `new_loop`: makes the event loop. `new_lookups`: makes what looks names up where the loop does not.
    `careful_aws`: makes what calls AWS where the fast way declines, as `CarefulAws`.
    """

    new_loop: Callable[[], asyncio.AbstractEventLoop] = EventLoop
    new_lookups: Callable[[], Lookups] = Lookups
    careful_aws: Callable[..., CarefulAws] = CarefulAws


class Runtime:
    """The event loop of one execution environment, and the connections that live on it."""

    def __init__(self, settings: Settings, machine: Machine | None = None) -> None:
        self.settings = settings
        self._machine = machine or Machine()
        self.clock = SystemClock()
        self.telemetry = Telemetry(settings.environment_suffix)
        self._tls = tls_context(settings.database)
        self._runner = asyncio.Runner(loop_factory=self._machine.new_loop)
        self._resources = AsyncExitStack()
        self._database: Database | None = None
        self._ports: Ports | None = None
        self._one_at_a_time = threading.Lock()

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
            self._ports = self._open()
        if self._database is not None:
            self._database.allow_statements(seconds)
        try:
            return await operation(self._ports)
        finally:
            # And before the next freeze, so that dropped connections are closed and their statements end.
            await _tick()

    def _open(self) -> Ports:
        settings = self.settings
        aws = AwsClients(
            OrdinaryAws(settings.region, os.environ),
            # An emulator has no host name for each bucket.
            self._machine.careful_aws(settings.region, by_path=settings.endpoint_url is not None),
        )
        self._database = Database(
            login_source(settings.database, partial(read_secret, aws)), self._tls, settings.database.pool_size
        )
        redis = self._redis(settings.redis, aws)
        self._resources.push_async_callback(aws.aclose)
        self._resources.push_async_callback(redis.aclose)
        return Ports(
            archive=S3Archive(aws, settings.archive_bucket),
            quarantine=S3Quarantine(aws, settings.quarantine_bucket),
            catalog=PostgresCatalog(self._database, process_id=secrets.token_hex(8)),
            cache=RedisCache(redis),
            clock=self.clock,
        )

    def _redis(self, settings: RedisSettings, aws: AwsClients) -> Redis:
        login: AsyncPassword | None = None
        match settings.login:
            case RedisSecret(secret_arn=arn):
                login = AsyncPassword(lambda: read_password(aws, arn))
            case RedisIamUser(username=username, cluster_id=cluster_id):
                login = iam_login(
                    aws.credentials, username=username, cluster_id=cluster_id, region=self.settings.region
                )
        client = redis_client(
            host=settings.host,
            port=settings.port,
            tls=settings.tls,
            login=login,
            max_connections=_CACHE_CONNECTIONS,
            lookups=self._machine.new_lookups(),
        )
        # While the database's login is read. Otherwise the first batch would wait for it after the commit.
        cast("PatientPool", client.connection_pool).connect_early()
        return client

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
            _tune_garbage_collection()
            _current = Runtime(settings)
        return _current


@cache
def _tune_garbage_collection() -> None:
    """Search for garbage seldom, and not in what was imported: once, since frozen garbage stays for ever."""
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    # Looking through what was imported would take over 10 ms after each failed batch.
    gc.freeze()


def _close_current() -> None:
    if _current is not None:
        _current.close()


atexit.register(_close_current)
