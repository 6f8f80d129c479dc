"""What a run kept by `make local KEEP=1` says, and how other programs find it."""

import gzip
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from local.demo.kept_state import STATE, KeptRunError, held_state, hold_state
from local.demo.pipeline import Pipeline
from local.emulated_aws.account import REGION, Account
from local.servers import PostgresAddress, ValkeyAddress

FUNCTION_NAME = "inventory-processor-local"
_PREFIXES = {"archive": "inventory/", "quarantine": "quarantine/"}


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
        "function_name": FUNCTION_NAME,
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
    program = ".venv/bin/catalog"
    return f"""
Still running; Ctrl-C stops everything.
  PostgreSQL  {servers.postgres.address.dsn}
  Valkey      redis://{servers.valkey.address.host}:{servers.valkey.address.port}
  AWS         {servers.moto.endpoint_url}  (stream {account.stream_name}; buckets {account.archive_bucket},
              {account.quarantine_bucket})
Try in another terminal:
  echo '{{"product_id": "product123", "inventory": 100, "price": 29.99}}' | {program} produce - --wait
  {program} show product123 --as-shop
  echo '{{"product_id": "product123", "price": 19.995, "supplier": "acme"}}' | {program} produce - --wait
  {program} quarantine list
"""


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
