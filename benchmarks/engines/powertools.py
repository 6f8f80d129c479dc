"""What a good engineer writes today: Powertools' batch processor, pydantic, pools, one object a batch.

Powertools starts every record of a batch at the same time; the pools bound what reaches the servers. An older
event never overwrites a newer one, but the fields share one event time, so a late price is lost.
"""

import asyncio
import base64
import gzip
import os
from datetime import datetime
from decimal import Decimal
from typing import Any

import aioboto3
import asyncpg
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    EventType,
    async_process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from pydantic import BaseModel, Field
from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.engine import Addresses, Engine
from benchmarks.engines.plain_clients import async_s3_client

_CONNECTIONS = 10
_UPSERT = """
INSERT INTO products AS held (product_id, inventory, price, last_updated) VALUES ($1, $2, $3, $4)
ON CONFLICT (product_id) DO UPDATE SET inventory = excluded.inventory,
    price = coalesce(excluded.price, held.price), last_updated = excluded.last_updated
WHERE held.last_updated <= excluded.last_updated
"""


class Update(BaseModel):
    """An update, with the rules that pydantic has words for."""

    product_id: str = Field(min_length=1, max_length=255)
    inventory: int = Field(ge=0, le=2_147_483_647)
    price: Decimal | None = Field(default=None, ge=0, max_digits=10, decimal_places=2)
    event_time: datetime


class Powertools(Engine):
    """Powertools' AsyncBatchProcessor over a pool of each."""

    name = "powertools"

    def open(self, addresses: Addresses) -> None:
        # As in Lambda: otherwise Powertools makes a new event loop for each batch, and the pools are lost.
        os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open(addresses))

    def run(self, prepared: dict[str, Any]) -> int:
        self._loop.run_until_complete(self._archive(prepared["Records"]))
        processor = AsyncBatchProcessor(event_type=EventType.KinesisDataStreams)
        try:
            response = async_process_partial_response(prepared, self._process, processor)
        except BatchProcessingError:  # every record failed
            return 0
        return len(prepared["Records"]) - len(response["batchItemFailures"])

    def close(self) -> None:
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _open(self, addresses: Addresses) -> None:
        self._bucket = addresses.bucket
        self._s3_context = async_s3_client(aioboto3.Session(), addresses)
        self._s3 = await self._s3_context.__aenter__()
        self._database = await asyncpg.create_pool(
            addresses.postgres.dsn, min_size=_CONNECTIONS, max_size=_CONNECTIONS
        )
        pool = BlockingConnectionPool(
            host=addresses.redis_host, port=addresses.redis_port, max_connections=_CONNECTIONS
        )
        self._redis = Redis.from_pool(pool)

    async def _close(self) -> None:
        await self._database.close()
        await self._redis.aclose()
        await self._s3_context.__aexit__(None, None, None)

    async def _process(self, record: KinesisStreamRecord) -> None:
        update = Update.model_validate_json(record.kinesis.data_as_bytes())
        await self._database.execute(
            _UPSERT, update.product_id, update.inventory, update.price, update.event_time
        )
        await self._redis.delete(f"product:{update.product_id}")

    async def _archive(self, records: list[dict[str, Any]]) -> None:
        lines = b"\n".join(base64.b64decode(record["kinesis"]["data"]) for record in records)
        key = f"{records[0]['kinesis']['sequenceNumber']}.ndjson.gz"
        await self._s3.put_object(Bucket=self._bucket, Key=key, Body=gzip.compress(lines))
