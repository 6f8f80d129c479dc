"""Commands for a run kept by `make local KEEP=1`: put an update, read a product."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aioboto3
import asyncpg
from aiobotocore.config import AioConfig

from local.demo.kept_state import STATE, KeptRunError, held_state, hold_state
from local.demo.pipeline import Pipeline
from local.emulated_aws.account import REGION, Account
from local.servers import PostgresAddress, ValkeyAddress
from processor.product import COLUMNS, REGISTERS
from processor.readers import CacheAddress, open_reader

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.2
_KEY_CHARACTERS = 256  # Kinesis refuses more
_PREFIXES = {"archive": "inventory/", "quarantine": "quarantine/"}
_VERSION_LIKE = " OR ".join(f"{register}_version LIKE $1" for register in REGISTERS)


@contextmanager
def publish_state(pipeline: Pipeline) -> Iterator[None]:
    """Let the other commands find the kept run, for as long as the block lasts."""
    servers, account = pipeline.servers, pipeline.account
    state: dict[str, Any] = {
        "pid": os.getpid(),
        "endpoint_url": servers.moto.endpoint_url,
        "stream": account.stream_name,
        "archive_bucket": account.archive_bucket,
        "quarantine_bucket": account.quarantine_bucket,
        "dsn": servers.postgres.address.dsn,
        "redis_host": servers.valkey.address.host,
        "redis_port": servers.valkey.address.port,
    }
    state["environment"] = environment_members(
        account, servers.postgres.address, servers.valkey.address, servers.moto.endpoint_url
    )
    with hold_state(STATE, state):
        yield


def environment_members(
    account: Account, postgres: PostgresAddress, valkey: ValkeyAddress, endpoint_url: str
) -> dict[str, Any]:
    """Return what the program `catalog` needs to know: the members of its `Environment`."""
    variables = account.variables
    return {
        "name": "local",
        "region": REGION,
        "endpoint_url": endpoint_url,
        "stream_name": account.stream_name,
        "archive_bucket": account.archive_bucket,
        "quarantine_bucket": account.quarantine_bucket,
        "queue_url": account.queue_url,
        "function_name": "inventory-processor-local",
        "mapping_uuid": "",
        "database_host": postgres.host,
        "database_port": postgres.port,
        "database_name": postgres.database,
        "database_tls": False,
        "database_secret_arn": variables["DB_SECRET_ARN"],
        "reader_secret_arn": variables["DB_READER_SECRET_ARN"],
        "cache_host": valkey.host,
        "cache_port": valkey.port,
        "cache_tls": False,
        "variables": variables,
    }


def refuse_second_run() -> None:
    """Raise KeptRunError if there is a kept run already: the commands would not know which one to use."""
    if (state := held_state(STATE)) is not None:
        raise KeptRunError(f"there is a kept run already, process {state['pid']}; stop that one first")


def instructions(pipeline: Pipeline) -> str:
    """Return the servers' addresses and commands to try."""
    servers, account = pipeline.servers, pipeline.account
    python = ".venv/bin/python -m local"
    return f"""
Still running; Ctrl-C stops everything.
  PostgreSQL  {servers.postgres.address.dsn}
  Valkey      redis://{servers.valkey.address.host}:{servers.valkey.address.port}
  AWS         {servers.moto.endpoint_url}  (stream {account.stream_name}; buckets {account.archive_bucket},
              {account.quarantine_bucket})
Try in another terminal:
  {python} put '{{"product_id": "product123", "inventory": 100, "price": 29.99}}'
  {python} read product123
  {python} put '{{"product_id": "product123", "price": 19.995, "supplier": "acme"}}'
  .venv/bin/catalog quarantine list
"""


async def put(update: str, partition_key: str | None) -> int:
    """Put one record and wait until it is in the catalog or in quarantine."""
    state = _state()
    async with _client("kinesis", state) as kinesis:
        response = await kinesis.put_record(
            StreamName=state["stream"],
            PartitionKey=partition_key or _partition_key(update),
            Data=os.fsencode(update),
        )
    shard, sequence_number = response["ShardId"], response["SequenceNumber"]
    print(f"put as {sequence_number} on {shard}")
    connection = await asyncpg.connect(state["dsn"], ssl=False)
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                row = await connection.fetchrow(
                    f"SELECT {', '.join(COLUMNS)} FROM products WHERE {_VERSION_LIKE}",  # noqa: S608 our own
                    f"% {len(sequence_number):03d}:{sequence_number} 0000000 {shard} %",
                )
                if row is not None:
                    print("in the catalog:", json.dumps(dict(row), default=str))
                    return 0
                async for line in _lines(state, "quarantine"):
                    if (line["shard"], line["sequence_number"]) == (shard, sequence_number):
                        print(f"rejected: {line['reason']}: {line['message']}")
                        return 0
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        print(await explain_no_change(state, shard, sequence_number))
        return 1
    finally:
        await connection.close()


async def explain_no_change(state: Mapping[str, Any], shard: str, sequence_number: str) -> str:
    """Return why a record is neither in the catalog nor in quarantine: every processed record is archived."""
    async for line in _lines(state, "archive"):
        if (line["shard"], line["sequence_number"]) == (shard, sequence_number):
            return "nothing changed: the catalog already has a newer value of each field (see event_time)"
    return f"not processed after {_WAIT_SECONDS:g} s; see .local/kept-run.log"


async def read(product_id: str) -> int:
    """Read a product twice: the second time it comes from the cache."""
    state = _state()
    cache = CacheAddress(host=state["redis_host"], port=state["redis_port"], tls=False)
    async with open_reader(dsn=state["dsn"], ca_file=None, cache=cache) as reader:
        product = None
        for _ in range(2):
            hits = reader.statistics.hits
            product = await reader.get(product_id)
            source = "cache" if reader.statistics.hits > hits else "database"
            print(f"from the {source}: {product.to_json() if product else None}")
    if product is None:
        print(f"the catalog has no product {product_id!r}")
    return 0 if product else 1


async def _lines(state: Mapping[str, Any], store: str) -> AsyncIterator[dict[str, Any]]:
    """Yield every line of a store, "archive" or "quarantine"."""
    bucket, prefix = state[f"{store}_bucket"], _PREFIXES[store]
    async with _client("s3", state) as s3:
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                response = await s3.get_object(Bucket=bucket, Key=found["Key"])
                body = await response["Body"].read()
                for line in (gzip.decompress(body) if store == "archive" else body).splitlines():
                    yield json.loads(line)


def _partition_key(update: str) -> str:
    try:
        key = str(json.loads(update)["product_id"]).encode("utf-8", "replace").decode()
        return key[:_KEY_CHARACTERS] or "-"
    except (ValueError, TypeError, KeyError):
        return "-"


def _client(service: str, state: Mapping[str, Any]) -> Any:
    session = aioboto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
        region_name=REGION,
    )
    config = AioConfig(s3={"addressing_style": "path"})
    # The stubs know each service by its literal name only.
    return session.client(service, endpoint_url=state["endpoint_url"], config=config)  # type: ignore[call-overload]


def _state() -> dict[str, Any]:
    if (state := held_state(STATE)) is None:
        raise KeptRunError("there is no kept run: start one in another terminal with `make local KEEP=1`")
    return state
