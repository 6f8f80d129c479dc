"""What a run kept by `make local KEEP=1` says, and how other programs find it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.demo.kept_state import STATE, KeptRunError, held_state, hold_state
from local.demo.pipeline import Pipeline
from local.emulated_aws.account import REGION, Account
from local.servers import PostgresAddress, ValkeyAddress

FUNCTION_NAME = "inventory-processor-local"


@contextmanager
def publish_state(pipeline: Pipeline, *, control: str, log: str) -> Iterator[None]:
    """Let the other commands find the kept run, for as long as the block lasts.

    `control`: the socket through which they ask it for trouble; `log`: the file with the function's log.
    """
    servers, account = pipeline.servers, pipeline.account
    state: dict[str, Any] = {
        "pid": os.getpid(),
        "control": control,
        "log": log,
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
  {program} console
"""
