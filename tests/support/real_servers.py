"""The pipeline's backing services for one test: database, cache, buckets and secrets, on real servers."""

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
_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.01
_FOREVER_MS = 2**53
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Services:
    """The backing services of one test; `database` is connected as the administrator."""

    account: Account
    database: "Connection"
    redis: "Redis"
    postgres: PostgresAddress

    async def invoke(self, event: object, *, remaining_ms: int = 20_000) -> dict[str, Any]:
        """Run the processor in this process, as one execution environment; return its response."""
        with environment_variables(self.account.variables):
            return await asyncio.to_thread(handler.handler, event, FixedContext(remaining_ms))

    async def administrator(self) -> Login:
        """Return the administrator's login, for adapters that a test creates."""
        address = self.postgres
        return Login(
            host=address.host,
            port=address.port,
            database=address.database,
            user=address.user,
            password=address.password,
        )

    async def row(self, product_id: str) -> "asyncpg.Record | None":
        """Return a product's row."""
        return await self.database.fetchrow("SELECT * FROM products WHERE product_id = $1", product_id)

    async def archive_lines(self) -> list[dict[str, Any]]:
        """Return every line of the archive, in the order of its objects."""
        lines = []
        for _, body in await objects(self.account, self.account.archive_bucket):
            lines += [json.loads(line) for line in gzip.decompress(body).splitlines()]
        return lines

    async def quarantine_lines(self) -> list[dict[str, Any]]:
        """Return every line in quarantine, in the order of its objects."""
        lines = []
        for _, body in await objects(self.account, self.account.quarantine_bucket):
            lines += [json.loads(line) for line in body.splitlines()]
        return lines

    async def pending(self) -> set[str]:
        """Return the products whose invalidation is pending."""
        rows = await self.database.fetch("SELECT product_id FROM pending_invalidation")
        return {row["product_id"] for row in rows}


class FixedContext(Context):
    """A context whose remaining time stays the same."""

    def __init__(self, remaining_ms: int) -> None:
        super().__init__("request", _FOREVER_MS)
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_ms


async def objects(account: Account, bucket: str) -> list[tuple[str, bytes]]:
    """Return key and body of every object in a bucket, ordered by key."""
    listed = await account.s3.list_objects_v2(Bucket=bucket)
    found = []
    for entry in listed.get("Contents", []):
        response = await account.s3.get_object(Bucket=bucket, Key=entry["Key"])
        found.append((entry["Key"], await response["Body"].read()))
    return found


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once the condition holds; check it every hundredth of a second.

    Raises: TimeoutError after ten seconds.
    """
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while not await condition():  # noqa: ASYNC110 other processes set no event here
            await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def environment_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these environment variables for as long as the block lasts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@asynccontextmanager
async def open_services(
    servers: Servers, *, postgres: PostgresAddress | None = None, valkey: ValkeyAddress | None = None
) -> AsyncIterator[Services]:
    """Create a database, buckets and an empty cache; `postgres`, `valkey` replace the shared servers."""
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
        with environment_variables(account.variables):
            await asyncio.to_thread(migrate.handler, {}, None)
        database = await asyncpg.connect(address.dsn)
        try:
            yield Services(account, database, redis, address)
        finally:
            database.terminate()
            await redis.aclose()
