"""A world of its own for a test: a database, a cache, buckets and secrets on real servers."""

import asyncio
import gzip
import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.asyncio import Redis

from local.emulated_aws.account import Account, open_account
from local.emulated_aws.execution_environment import Context
from local.servers import PostgresAddress, Servers, ValkeyAddress
from processor import handler, migrate
from processor.adapters.postgres import Login

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

PASSWORD = "first-password"
ALL_DONE: dict[str, Any] = {"batchItemFailures": []}
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_FOREVER_MS = 2**53
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class World:
    """What a test may touch; `database` is connected as the administrator."""

    account: Account
    database: "Connection"
    redis: "Redis"
    postgres: PostgresAddress

    async def invoke(self, event: object, *, remaining_ms: int = 20_000) -> dict[str, Any]:
        """The processor's answer, in this process, as one execution environment."""
        with environment(self.account.environment):
            return await asyncio.to_thread(handler.handler, event, FixedContext(remaining_ms))

    async def administrator(self) -> Login:
        """A login for adapters that a test makes itself."""
        address = self.postgres
        return Login(
            host=address.host,
            port=address.port,
            database=address.database,
            user=address.user,
            password=address.password,
        )

    async def row(self, product_id: str) -> "asyncpg.Record | None":
        """A product's row."""
        return await self.database.fetchrow("SELECT * FROM products WHERE product_id = $1", product_id)

    async def archive_lines(self) -> list[dict[str, Any]]:
        """Every line of the archive, in the order of its objects."""
        lines = []
        for _, body in await objects(self.account, self.account.archive_bucket):
            lines += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return lines

    async def quarantine_lines(self) -> list[dict[str, Any]]:
        """Every line in quarantine, in the order of its objects."""
        lines = []
        for _, body in await objects(self.account, self.account.quarantine_bucket):
            lines += [json.loads(line) for line in body.splitlines()]
        return lines

    async def pending(self) -> set[str]:
        """Return the products whose invalidation is pending."""
        rows = await self.database.fetch("SELECT product_id FROM pending_invalidation")
        return {row["product_id"] for row in rows}


class FixedContext(Context):
    """A context whose remaining time does not run."""

    def __init__(self, remaining_ms: int) -> None:
        super().__init__("request", _FOREVER_MS)
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_ms


async def objects(account: Account, bucket: str) -> list[tuple[str, bytes]]:
    """Key and body of every object in a bucket, by key."""
    listed = await account.s3.list_objects_v2(Bucket=bucket)
    found = []
    for entry in listed.get("Contents", []):
        answer = await account.s3.get_object(Bucket=bucket, Key=entry["Key"])
        found.append((entry["Key"], await answer["Body"].read()))
    return found


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once the condition holds, looking every hundredth of a second.

    Raises: TimeoutError after ten seconds.
    """
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 what other processes do sets no event here
            await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These environment variables, for as long as the block lasts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@asynccontextmanager
async def open_world(
    servers: Servers, *, postgres: PostgresAddress | None = None, valkey: ValkeyAddress | None = None
) -> AsyncIterator[World]:
    """A new database, an empty cache and new buckets; `postgres`, `valkey`: other servers than the shared."""
    number = next(_numbers)
    cluster = postgres or servers.postgres.address
    cache = valkey or servers.valkey.address
    suffix = f"test-{number}"
    administration = await asyncpg.connect(cluster.dsn)
    await administration.execute(f'CREATE DATABASE "{suffix}"')
    await administration.close()
    address = replace(cluster, database=suffix)
    redis = Redis(host=cache.host, port=cache.port, password=cache.password, decode_responses=True)
    await redis.flushall()
    async with open_account(
        servers.moto.endpoint_url, address, cache, suffix=suffix, shards=1, application_password=PASSWORD
    ) as account:
        with environment(account.environment):
            await asyncio.to_thread(migrate.handler, {}, None)
        database = await asyncpg.connect(address.dsn)
        try:
            yield World(account, database, redis, address)
        finally:
            database.terminate()
            await redis.aclose()
