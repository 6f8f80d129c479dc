"""The same work in bulk with no guarantees: typed decode, one plain upsert, one put, one delete.

No version, no check of the rules for suppliers' fields, no conditional put, no retry, no lease: what remains
is what the work itself costs. A bad record fails the batch; a late update overwrites a newer one.
"""

import asyncio
import binascii
import gzip
from datetime import datetime
from decimal import Decimal
from typing import Any

import aioboto3
import asyncpg
import msgspec
from botocore.handlers import add_expect_header
from isal import igzip
from redis.asyncio import Redis

from benchmarks.engine import Addresses, Engine
from benchmarks.engines.plain_clients import async_s3_client

_UPSERT = """
INSERT INTO products AS held (product_id, inventory, price, last_updated)
SELECT * FROM unnest($1::text[], $2::integer[], $3::numeric[], $4::timestamptz[])
ON CONFLICT (product_id) DO UPDATE SET inventory = excluded.inventory,
    price = coalesce(excluded.price, held.price), last_updated = excluded.last_updated
"""


class _Update(msgspec.Struct):
    product_id: str
    inventory: int
    event_time: datetime
    price: Decimal | None = None


_decode = msgspec.json.Decoder(_Update).decode


class Bulk(Engine):
    """One of each operation a batch."""

    name = "bulk"

    def open(self, addresses: Addresses) -> None:
        self._loop = asyncio.Runner()
        self._loop.run(self._open(addresses))

    def run(self, prepared: dict[str, Any]) -> int:
        return self._loop.run(self._run(prepared["Records"]))

    def close(self) -> None:
        self._loop.run(self._close())
        self._loop.close()

    async def _open(self, addresses: Addresses) -> None:
        self._bucket = addresses.bucket
        self._s3_context = async_s3_client(aioboto3.Session(), addresses)
        self._s3 = await self._s3_context.__aenter__()
        self._tune()
        self._database = await asyncpg.connect(addresses.postgres.dsn)
        self._redis = Redis(host=addresses.redis_host, port=addresses.redis_port)

    def _tune(self) -> None:
        # As ours does: a bound that waits for one more round trip would be none.
        self._s3.meta.events.unregister("before-call.s3", add_expect_header)

    def _compress(self, lines: bytes) -> bytes:
        return igzip.compress(lines, compresslevel=1)

    async def _close(self) -> None:
        await self._database.close()
        await self._redis.aclose()
        await self._s3_context.__aexit__(None, None, None)

    async def _run(self, records: list[dict[str, Any]]) -> int:
        data = [binascii.a2b_base64(record["kinesis"]["data"]) for record in records]
        latest = {update.product_id: update for update in map(_decode, data)}
        await asyncio.gather(self._archive(records, data), self._apply(list(latest.values())))
        return len(records)

    async def _archive(self, records: list[dict[str, Any]], data: list[bytes]) -> None:
        key = f"{records[0]['kinesis']['sequenceNumber']}.ndjson.gz"
        body = self._compress(b"\n".join(data))
        await self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    async def _apply(self, updates: list[_Update]) -> None:
        await self._database.execute(
            _UPSERT,
            [update.product_id for update in updates],
            [update.inventory for update in updates],
            [update.price for update in updates],
            [update.event_time for update in updates],
        )
        await self._redis.delete(*[f"product:{update.product_id}" for update in updates])


class BulkWithDefaults(Bulk):
    """As the bulk way, before anything was tuned: Python's gzip, and botocore's `100-continue`."""

    name = "bulk_defaults"

    def _tune(self) -> None:
        pass

    def _compress(self, lines: bytes) -> bytes:
        return gzip.compress(lines)
