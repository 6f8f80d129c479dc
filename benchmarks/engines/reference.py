"""The reference's way: record by record, a new database connection and an object in S3 for each.

As in the sketch that this project began as, with psycopg 3 in place of psycopg2 and without its log lines.
Last writer wins by arrival at the database, and what fails is swallowed there; here it is counted.
"""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import psycopg
import redis

from benchmarks.engine import Addresses, Engine
from benchmarks.engines.plain_clients import s3_client

UPSERT = """
INSERT INTO products (product_id, inventory, price, last_updated)
VALUES (%(product_id)s, %(inventory)s, %(price)s, %(last_updated)s)
ON CONFLICT (product_id) DO UPDATE SET
    inventory = EXCLUDED.inventory, price = EXCLUDED.price, last_updated = EXCLUDED.last_updated
"""


class Reference(Engine):
    """A connection to PostgreSQL for each record; the clients of S3 and Redis are kept."""

    name = "reference"

    def open(self, addresses: Addresses) -> None:
        self._dsn = addresses.postgres.dsn
        self._bucket = addresses.bucket
        self._s3 = s3_client(boto3, addresses)
        self._redis = redis.Redis(host=addresses.redis_host, port=addresses.redis_port)

    def run(self, prepared: dict[str, Any]) -> int:
        return sum(self._process(record) for record in prepared["Records"])

    def close(self) -> None:
        self._redis.close()

    def _process(self, record: dict[str, Any]) -> bool:
        data = json.loads(base64.b64decode(record["kinesis"]["data"]))
        if "product_id" not in data:
            return False
        try:
            self._archive(data)
            self._upsert(data)
            self._redis.delete(f"product:{data['product_id']}")
        except (psycopg.Error, redis.RedisError):
            return False
        return True

    def _archive(self, data: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        key = f"inventory/{now:%Y/%m/%d}/{data['product_id']}_{now.isoformat()}.json"
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=json.dumps(data).encode(),
            ContentType="application/json",
            ServerSideEncryption="AES256",
        )

    def _upsert(self, data: dict[str, Any]) -> None:
        with psycopg.connect(self._dsn) as connection:
            connection.execute(UPSERT, row_of(data))


def row_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the statement's parameters."""
    return {
        "product_id": data["product_id"],
        "inventory": data.get("inventory", 0),
        "price": data.get("price"),
        "last_updated": datetime.now(UTC),
    }
